// Whether a request was to a service, as people name one: NAME, NAME.NAMESPACE or its whole host.
// Behind a route, a service has two names: the one that was called and the one that answered. Pure;
// any thread.
#pragma once

#include <string_view>

namespace tulle::telemetry {

struct CalledService {
  std::string_view host;              // of the service that was chosen; empty: unknown
  std::string_view authority;         // as the caller wrote it, perhaps with a port
  std::string_view caller_namespace;  // in which a name without dots is looked up; empty: unknown
};

// `wanted`: the first labels of either name, or all of them. A port counts if it is wanted.
bool IsCalled(const CalledService& service, std::string_view wanted);
bool IsInNamespace(const CalledService& service, std::string_view wanted);

}  // namespace tulle::telemetry
