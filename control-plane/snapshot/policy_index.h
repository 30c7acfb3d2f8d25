// What policies say of a service, looked up instead of searched for. Pure; any thread. It points
// into the PolicySet that it was made of and must not outlive it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "control-plane/policy/policy_set.h"

namespace tulle::snapshot {

class PolicyIndex {
 public:
  explicit PolicyIndex(const policy::PolicySet& policies);

  // The service's own policy. Null: none.
  const policy::ResiliencePolicy* OwnResilienceOf(const policy::ServiceName& service) const;
  // The service's own policy; a backend without one gets that of the first service whose route
  // leads to it. Null: none.
  const policy::ResiliencePolicy* ResilienceOf(const policy::ServiceName& service) const;
  // The HTTPRoute for this port; one that names the port wins. Null: none.
  const policy::Document* RouteOf(const policy::ServiceName& service, uint32_t port) const;

 private:
  struct Binding {
    std::optional<uint32_t> port;  // absent: all
    const policy::Document* document;
  };

  std::map<policy::ServiceName, const policy::ResiliencePolicy*> resilience_;  // own
  std::map<policy::ServiceName, const policy::ResiliencePolicy*> inherited_;
  std::map<policy::ServiceName, std::vector<Binding>> routes_;  // in order of keys
};

}  // namespace tulle::snapshot
