// What one check of `tulle-init --check` found.
#pragma once

#include <string>

namespace tulle::init {

struct Check {
  enum class Outcome { kPassed, kFailed, kSkipped };
  std::string what;
  Outcome outcome = Outcome::kPassed;
  std::string detail;  // the reason, and how to fix it
};

}  // namespace tulle::init
