// What a policy defines, and which others may define too. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "control-plane/policy/model.h"

namespace tulle::policy {

struct Claim {
  std::string text;   // "the resilience of Service default/post"; serves as its key too
  std::string group;  // others of the same group may define it too; empty: no other may
};

// Of an AuthorizationPolicy there are none: the rules of several are taken together.
std::vector<Claim> ClaimsOf(const Document& document);

}  // namespace tulle::policy
