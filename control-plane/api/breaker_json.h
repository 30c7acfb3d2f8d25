// Open circuit breakers as the API shows them: of one proxy, and of one endpoint over all proxies.
// Pure. For this package only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "control-plane/api/answers.h"
#include "control-plane/registry/open_breakers.h"

namespace tulle::api {

// The service of an outbound cluster; another cluster is its own host.
struct BreakerTarget {
  std::string host;
  uint32_t port = 0;  // of the service; 0: unknown
};
BreakerTarget TargetOf(std::string_view cluster);

// {"cluster", "host", "port", "endpoint", "since", "cause", "reason"}; the reason is for people.
Json BreakerJson(const registry::OpenBreaker& breaker);

// What proxies say of each endpoint.
class OpenEndpoints {
 public:
  struct Seen {
    size_t count = 0;                  // proxies
    std::vector<std::string> proxies;  // the first of them
    int64_t since = 0;                 // of the breaker that opened first
    std::string cause;                 // of that one
  };

  explicit OpenEndpoints(const registry::OpenBreakers& breakers);

  // Null: no proxy has an open breaker for it. `endpoint`: ADDRESS:PORT.
  const Seen* Find(const std::string& host, uint32_t port, const std::string& endpoint) const;
  // One line for each, of at most `most`: "HOST:PORT at ADDRESS:PORT: ...".
  std::string ToText(size_t most) const;

 private:
  using Key = std::tuple<std::string, uint32_t, std::string>;  // host, port, endpoint
  std::map<Key, Seen> seen_;
};

// {"count", "proxies", "since", "cause", "reason"}.
Json SeenJson(const OpenEndpoints::Seen& seen);

}  // namespace tulle::api
