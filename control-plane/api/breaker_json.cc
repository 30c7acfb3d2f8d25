#include "control-plane/api/breaker_json.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace tulle::api {
namespace {

constexpr size_t kMostProxies = 5;

// The causes are the labels of metrics.
std::string ReasonOf(const std::string& cause) {
  constexpr std::pair<std::string_view, std::string_view> kReasons[] = {
      {"connect_failed", "connection refused, or no route to the endpoint"},
      {"connect_timeout", "no connection within the connect timeout"},
      {"tls_failed", "the TLS handshake failed"},
      {"peer_identity_refused", "the endpoint has another identity than the service"},
      {"connection_closed", "the endpoint closed the connection without a response"},
      {"upstream_reset", "the endpoint reset the request"},
      {"request_timeout", "no response in time"},
      {"error_response", "error responses (5xx)"},
  };
  for (const auto& [name, reason] : kReasons) {
    if (cause == name) return std::string(reason);
  }
  return absl::StrReplaceAll(cause, {{"_", " "}});
}

}  // namespace

BreakerTarget TargetOf(std::string_view cluster) {
  const std::vector<absl::string_view> parts =
      absl::StrSplit(absl::string_view(cluster.data(), cluster.size()), '|');
  uint32_t port = 0;
  if (parts.size() != 4 || parts[0] != "outbound" || parts[3].empty())
    return {std::string(cluster), 0};
  std::from_chars(parts[1].data(), parts[1].data() + parts[1].size(), port);
  return {std::string(parts[3]), port};
}

Json BreakerJson(const registry::OpenBreaker& breaker) {
  const BreakerTarget target = TargetOf(breaker.cluster);
  return {{"cluster", breaker.cluster},       {"host", target.host},    {"port", target.port},
          {"endpoint", breaker.endpoint},     {"since", breaker.since}, {"cause", breaker.cause},
          {"reason", ReasonOf(breaker.cause)}};
}

OpenEndpoints::OpenEndpoints(const registry::OpenBreakers& breakers) {
  breakers.ForEach([this](const std::string& proxy, const registry::OpenBreaker& breaker) {
    BreakerTarget target = TargetOf(breaker.cluster);
    Seen& seen = seen_[{std::move(target.host), target.port, breaker.endpoint}];
    if (seen.count == 0 || breaker.since < seen.since) {
      seen.since = breaker.since;
      seen.cause = breaker.cause;
    }
    // A proxy may have several clusters for one service; its reports follow one another.
    if (!seen.proxies.empty() && seen.proxies.back() == proxy) return;
    if (seen.count++ < kMostProxies) seen.proxies.push_back(proxy);
  });
}

const OpenEndpoints::Seen* OpenEndpoints::Find(const std::string& host, uint32_t port,
                                               const std::string& endpoint) const {
  const auto found = seen_.find({host, port, endpoint});
  return found == seen_.end() ? nullptr : &found->second;
}

std::string OpenEndpoints::ToText(size_t most) const {
  std::string text;
  size_t shown = 0;
  for (const auto& [key, seen] : seen_) {
    const auto& [host, port, endpoint] = key;
    if (shown++ == most) break;
    absl::StrAppend(&text, text.empty() ? "" : "\n", host, port == 0 ? "" : absl::StrCat(":", port),
                    " at ", endpoint, ": ", ReasonOf(seen.cause), "; since ", UtcTime(seen.since),
                    ", seen by ", absl::StrJoin(seen.proxies, ", "));
    if (seen.count > seen.proxies.size())
      absl::StrAppend(&text, " and ", seen.count - seen.proxies.size(), " more");
  }
  if (seen_.size() > most) absl::StrAppend(&text, "\nand ", seen_.size() - most, " more endpoints");
  return text;
}

Json SeenJson(const OpenEndpoints::Seen& seen) {
  return {{"count", seen.count},
          {"proxies", seen.proxies},
          {"since", seen.since},
          {"cause", seen.cause},
          {"reason", ReasonOf(seen.cause)}};
}

}  // namespace tulle::api
