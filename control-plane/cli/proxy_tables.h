// The tables of `tullectl proxy-config`: of each resource one row, or several. Resources are xDS v3
// in JSON with the fields' own names. Pure.
#pragma once

#include <string>
#include <string_view>

#include "control-plane/cli/json_text.h"
#include "control-plane/cli/table.h"

namespace tulle::cli {

// In an endpoint that the proxy leaves out: for how long, and why.
inline constexpr char kOpenBreaker[] = "/open_breaker";

// The columns of a part (one of kProxyParts), and `last`.
Table ProxyTable(std::string_view part, const std::string& last);
// `last`: the cell of the last column.
void AddResource(std::string_view part, const Json& resource, const std::string& last,
                 Table* table);
// "10.0.0.3:8080" of the socket address at `at`.
std::string AddressOf(const Json& json, const std::string& at);

}  // namespace tulle::cli
