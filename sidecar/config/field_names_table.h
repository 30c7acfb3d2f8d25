// Names of fields of Envoy's API that our protos leave out. Pure; any thread.
#pragma once

#include <string_view>

namespace tulle::config {

struct OmittedField {
  std::string_view name;  // empty: not known either
  // Statistics and the like: ignoring it changes neither who may call nor where traffic goes.
  bool is_harmless = false;
};

// `message` is a full name.
OmittedField FindOmitted(std::string_view message, int number);

}  // namespace tulle::config
