// Which policies apply to a service, looked up instead of searched for: a lookup costs what
// applies, whatever the number of policies. Pure; any thread. It points into the PolicySet that it
// was made of and must not outlive it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "control-plane/policy/policy_set.h"

namespace tulle::policy {

class PolicyIndex {
 public:
  explicit PolicyIndex(const PolicySet& policies);

  // The service's own policy. Null: none.
  const ResiliencePolicy* OwnResilienceOf(const ServiceName& service) const;
  // The service's own policy; a backend without one gets that of the first service whose route
  // leads to it. Null: none.
  const ResiliencePolicy* ResilienceOf(const ServiceName& service) const;
  // The documents of these.
  const Document* OwnResilienceSourceOf(const ServiceName& service) const;
  const Document* ResilienceSourceOf(const ServiceName& service) const;
  // The routes for this port, for callers in namespace `from`, in order of their keys. If that
  // namespace has routes of its own for a Service of another one (consumer routes), these; else
  // those of the Service's namespace. All are of one kind, since GRPCRoutes win over HTTPRoutes
  // (GEP-1426), and those that name the port win over those for all ports. Which rule a request
  // gets: route_order.h.
  std::vector<const Document*> RoutesOf(const ServiceName& service, uint32_t port,
                                        std::string_view from) const;
  // The same for callers in namespaces without consumer routes.
  std::vector<const Document*> RoutesOf(const ServiceName& service, uint32_t port) const {
    return RoutesOf(service, port, service.ns);
  }
  // The namespaces with consumer routes for the service.
  std::set<std::string> ConsumersOf(const ServiceName& service) const;

  // Of the following kinds the most specific policy wins, as a whole: service, namespace, mesh. A
  // service without a name stands for its namespace, one without a namespace for the mesh.
  // Defaults to permissive.
  MtlsMode MtlsModeOf(const ServiceName& service) const;
  // The PeerAuthentication that says so. Null: none.
  const Document* PeerAuthenticationOf(const ServiceName& service) const;
  // The EgressPolicy that keeps the service's workloads from calling addresses that belong to no
  // service. Null: none, they may.
  const Document* EgressDenialOf(const ServiceName& service) const;
  // Null: none.
  const TelemetryPolicy* TelemetryOf(const ServiceName& service) const;
  // Those of the service and of its namespace, in order of their keys.
  std::vector<const Document*> AuthorizationsOf(const ServiceName& service) const;

 private:
  struct Binding {
    std::optional<uint32_t> port;  // absent: all
    const Document* document;
  };
  // By target: a namespace is a service without a name, the mesh is one without a namespace.
  template <typename Policy>
  using ByTarget = std::map<ServiceName, const Policy*>;

  // Of those for one port and one group of callers: the ones that apply.
  static std::vector<const Document*> Precedent(const std::vector<Binding>& bindings);
  template <typename Policy>
  static const Policy* MostSpecific(const ByTarget<Policy>& policies, const ServiceName& service);
  void Add(const Document& document);
  // Needs all policies of resilience.
  void AddInherited(const Document& document);

  ByTarget<Document> resilience_;
  ByTarget<Document> inherited_;
  ByTarget<Document> peers_;
  ByTarget<Document> egress_;
  ByTarget<TelemetryPolicy> telemetry_;
  std::map<ServiceName, std::vector<const Document*>> authorizations_;  // by target, as above
  // Of each Service, by the routes' namespace; in order of keys.
  std::map<ServiceName, std::map<std::string, std::vector<Binding>, std::less<>>> routes_;
};

}  // namespace tulle::policy
