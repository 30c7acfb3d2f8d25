// What ended a request, from its hops, and what to do about it. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "control-plane/diagnosis/hops.h"

namespace tulle::diagnosis {

struct Verdict {
  int hop = -1;           // that decided; -1: nothing failed, or its record is missing
  std::string cause;      // empty: the service answered so itself
  std::string meaning;    // a sentence
  std::string next_step;  // empty: none is known
  std::string field;      // of a policy, that decides; empty: none
  std::string policy;     // "AuthorizationPolicy default/only-web, rule 0"; empty: none
  std::string command;    // that shows the policy; empty: none
};

// Calls that the sidecars of both sides tell of decide; if none of these does, any other, and the
// meaning says so.
Verdict VerdictOn(const std::vector<Hop>& hops);

}  // namespace tulle::diagnosis
