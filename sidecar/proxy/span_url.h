#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "net/http/head.h"

// The parts of a URL as OpenTelemetry's conventions report them. Texts are in `scratch` and cut
// where it ends, or are views of the argument.
namespace tulle::proxy {

// A host and a port; an IPv6 address without its brackets. Port 0: none.
struct ServerAddress {
  std::string_view host;
  uint16_t port = 0;
};
ServerAddress ServerAddressOf(std::string_view authority);

std::string_view WithoutQuery(std::string_view path);
// The query of a path with its names and without its values, which may be secrets:
// "page=REDACTED&REDACTED". Empty: there is none.
std::string_view RedactedQuery(std::string_view path, std::span<char> scratch);
// The whole URL, with at most `longest_path` bytes of the path. Empty for CONNECT.
std::string_view RedactedUrl(const http::Head& head, std::string_view scheme, size_t longest_path,
                             std::span<char> scratch);

}  // namespace tulle::proxy
