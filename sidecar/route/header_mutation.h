#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "net/http/header_map.h"

// Header changes requested by routes. Source: HeaderValueOption and headers_to_remove of
// RouteConfiguration, VirtualHost, Route and ClusterWeight.
namespace tulle::route {

enum class HeaderAction : uint8_t {
  kAppend,           // APPEND_IF_EXISTS_OR_ADD
  kAddIfAbsent,      // ADD_IF_ABSENT
  kSet,              // OVERWRITE_IF_EXISTS_OR_ADD
  kReplaceIfExists,  // OVERWRITE_IF_EXISTS
  kRemove,
};

struct HeaderMutation {
  HeaderAction action = HeaderAction::kAppend;
  std::string name{};   // lower case
  std::string value{};  // literal

  bool operator==(const HeaderMutation&) const = default;
};

using HeaderMutations = std::vector<HeaderMutation>;

// Pseudo headers, Host and framing headers must not be changed.
absl::Status CheckMutation(const HeaderMutation& mutation);

// The mutations must outlive the headers (they belong to the route, which the request pins).
void Apply(const HeaderMutations& mutations, http::HeaderMap& headers);

}  // namespace tulle::route
