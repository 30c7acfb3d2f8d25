#pragma once

#include <string_view>

#include "net/http/head.h"

// An authority names the same origin with and without the port that belongs to its scheme (RFC 9110
// 4.2.3): a rule that matches one spelling matches both.
namespace tulle::match {

// ":80", or ":443" for https.
inline std::string_view OwnPort(const http::Head& head) {
  return head.scheme == "https" ? ":443" : ":80";
}

// The host of an authority whose port is `port`; empty: it has another port, or none.
inline std::string_view WithoutPort(std::string_view authority, std::string_view port) {
  if (port.empty() || !authority.ends_with(port)) return {};
  return authority.substr(0, authority.size() - port.size());
}

// An IPv6 address has colons within its brackets.
inline bool HasPort(std::string_view authority) {
  const size_t colon = authority.rfind(':');
  return colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos;
}

}  // namespace tulle::match
