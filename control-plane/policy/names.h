// Formats of names (Kubernetes), durations (Gateway API) and other texts. Pure functions; any
// thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "net/base/names.h"

namespace tulle::policy {

using tulle::IsDnsLabel;
using tulle::IsDnsName;
using tulle::IsLocality;

bool EqualsIgnoringCase(std::string_view a, std::string_view b);  // ASCII
// RFC 9110 token: names of headers and methods.
bool IsToken(std::string_view text);
// A header value that can be sent: no control characters except tab.
bool IsHeaderValue(std::string_view text);
// A path that fits into a request line: begins with /, without blanks and control characters, at
// most kLongestPath bytes. May have a query.
bool IsRequestPath(std::string_view text);
inline constexpr size_t kLongestPath = 1024;  // the Gateway API's limit
bool IsIpAddress(std::string_view text);
bool IsUtf8(std::string_view text);
// Names that the mesh resolves itself: cluster.local and everything below it, in any case.
bool IsMeshName(std::string_view host);

// GEP-2257: one to four parts of up to five digits with h, m, s or ms ("1m30s").
std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text);
std::string FormatDuration(std::chrono::milliseconds duration);
// The limit of the sidecars.
inline constexpr std::chrono::hours kLongestDuration{10 * 365 * 24};

}  // namespace tulle::policy
