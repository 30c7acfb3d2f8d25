// The one written form of a policy: for the store, for comparing, for `-o json` and `-o yaml`.
// Keys sorted, defaults that were not written left out, durations as the Gateway API writes them:
// equal policies give equal bytes, and ParseDocuments reads the result back to the same policy.
// Pure; any thread.
#pragma once

#include <string>

#include "control-plane/policy/model.h"

namespace tulle::policy {

std::string ToJson(const Document& document);  // one line
std::string ToYaml(const Document& document);  // ends in a line feed

}  // namespace tulle::policy
