// Names as Kubernetes writes them, durations as the Gateway API writes them, and the guess behind
// "did you mean". Pure functions; any thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tulle::policy {

// RFC 1123 label: at most 63 of [a-z0-9-], a letter or digit at both ends. Services and namespaces.
bool IsDnsLabel(std::string_view text);
// RFC 1123 subdomain: labels joined by dots, at most 253 bytes. Names of policies, host names.
bool IsDnsName(std::string_view text);
// RFC 9110 token: names of headers and methods.
bool IsToken(std::string_view text);
// A header value that can be sent: no control bytes but tab.
bool IsHeaderValue(std::string_view text);
// What a request line can carry as its path: begins with /, no blanks and control bytes, at most
// kLongestPath bytes. A query may follow.
bool IsRequestPath(std::string_view text);
inline constexpr size_t kLongestPath = 1024;  // the Gateway API's limit
bool IsIpAddress(std::string_view text);
bool IsUtf8(std::string_view text);
// Names of which the mesh itself says where they lead: cluster.local and all below it, however it
// is written.
bool IsMeshName(std::string_view host);
// REGION[/ZONE[/SUBZONE]], each of at most 63 letters, digits, dots, dashes and underscores.
bool IsLocality(std::string_view text);

// GEP-2257: one to four parts of up to five digits with h, m, s or ms ("1m30s").
std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text);
std::string FormatDuration(std::chrono::milliseconds duration);
// What the sidecars take at most.
inline constexpr std::chrono::hours kLongestDuration{10 * 365 * 24};

// The known name closest to `text` (case apart, at most two edits; two swapped letters are one), if
// there is one.
std::optional<std::string> NearestName(std::string_view text,
                                       const std::vector<std::string_view>& known);

}  // namespace tulle::policy
