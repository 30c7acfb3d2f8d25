#include "control-plane/policy/policy_index.h"

#include <algorithm>
#include <iterator>
#include <variant>

namespace tulle::policy {

namespace {

ServiceName KeyOf(const Target& target) { return {target.ns, target.name}; }

const ResiliencePolicy* ResilienceIn(const Document* document) {
  return document == nullptr ? nullptr : &std::get<ResiliencePolicy>(document->spec);
}

}  // namespace

PolicyIndex::PolicyIndex(const PolicySet& policies) {
  for (const auto& [key, document] : policies.documents()) Add(*document);
  for (const auto& [key, document] : policies.documents()) {
    if (RouteIn(*document) != nullptr) AddInherited(*document);
  }
}

void PolicyIndex::Add(const Document& document) {
  if (const auto* resilience = std::get_if<ResiliencePolicy>(&document.spec)) {
    resilience_[KeyOf(resilience->target)] = &document;
  } else if (const auto* peer = std::get_if<PeerAuthentication>(&document.spec)) {
    peers_.try_emplace(KeyOf(peer->target), &document);
  } else if (const auto* egress = std::get_if<EgressPolicy>(&document.spec)) {
    egress_.try_emplace(KeyOf(egress->target), &document);
  } else if (const auto* telemetry = std::get_if<TelemetryPolicy>(&document.spec)) {
    telemetry_.try_emplace(KeyOf(telemetry->target), telemetry);
  } else if (const auto* rules = std::get_if<AuthorizationPolicy>(&document.spec)) {
    authorizations_[KeyOf(rules->target)].push_back(&document);
  } else if (const Route* route = RouteIn(document)) {
    for (const ParentRef& parent : route->parents) {
      routes_[parent.service][document.key.ns].push_back({parent.port, &document});
    }
  }
}

// Not from consumer routes, and not for Services of other namespaces: what one namespace says must
// not reach the callers of another one's Services.
void PolicyIndex::AddInherited(const Document& document) {
  const Route& route = *RouteIn(document);
  if (route.parents.empty() || route.parents[0].service.ns != document.key.ns) return;
  const auto above = resilience_.find(route.parents[0].service);
  if (above == resilience_.end()) return;
  for (const RouteRule& rule : route.rules) {
    for (const BackendRef& backend : rule.backends) {
      if (backend.invalid.empty() && backend.service.ns == document.key.ns)
        inherited_.try_emplace(backend.service, above->second);
    }
  }
}

template <typename Policy>
const Policy* PolicyIndex::MostSpecific(const ByTarget<Policy>& policies,
                                        const ServiceName& service) {
  for (const ServiceName& target : {service, ServiceName{service.ns, ""}, ServiceName{"", ""}}) {
    const auto found = policies.find(target);
    if (found != policies.end()) return found->second;
  }
  return nullptr;
}

const ResiliencePolicy* PolicyIndex::OwnResilienceOf(const ServiceName& service) const {
  return ResilienceIn(OwnResilienceSourceOf(service));
}

const ResiliencePolicy* PolicyIndex::ResilienceOf(const ServiceName& service) const {
  return ResilienceIn(ResilienceSourceOf(service));
}

const Document* PolicyIndex::OwnResilienceSourceOf(const ServiceName& service) const {
  const auto own = resilience_.find(service);
  return own == resilience_.end() ? nullptr : own->second;
}

const Document* PolicyIndex::ResilienceSourceOf(const ServiceName& service) const {
  if (const Document* own = OwnResilienceSourceOf(service)) return own;
  const auto inherited = inherited_.find(service);
  return inherited == inherited_.end() ? nullptr : inherited->second;
}

std::vector<const Document*> PolicyIndex::RoutesOf(const ServiceName& service, uint32_t port,
                                                   std::string_view from) const {
  const auto of = routes_.find(service);
  if (of == routes_.end()) return {};
  for (const std::string_view ns : {from, std::string_view(service.ns)}) {
    const auto bindings = of->second.find(ns);
    if (bindings == of->second.end()) continue;
    std::vector<Binding> for_port;
    for (const Binding& binding : bindings->second) {
      if (!binding.port || *binding.port == port) for_port.push_back(binding);
    }
    if (!for_port.empty()) return Precedent(for_port);
  }
  return {};
}

std::vector<const Document*> PolicyIndex::Precedent(const std::vector<Binding>& bindings) {
  const auto is_grpc = [](const Binding& binding) {
    return binding.document->key.kind == Kind::kGrpcRoute;
  };
  const bool has_grpc = std::any_of(bindings.begin(), bindings.end(), is_grpc);
  std::vector<const Document*> for_port, for_all;
  for (const Binding& binding : bindings) {
    if (is_grpc(binding) != has_grpc) continue;
    auto& found = binding.port ? for_port : for_all;
    // A route may name a parent with the port and without.
    if (found.empty() || found.back() != binding.document) found.push_back(binding.document);
  }
  return for_port.empty() ? for_all : for_port;
}

std::set<std::string> PolicyIndex::ConsumersOf(const ServiceName& service) const {
  std::set<std::string> namespaces;
  const auto of = routes_.find(service);
  if (of == routes_.end()) return namespaces;
  for (const auto& [ns, bindings] : of->second) {
    if (ns != service.ns) namespaces.insert(ns);
  }
  return namespaces;
}

const Document* PolicyIndex::PeerAuthenticationOf(const ServiceName& service) const {
  return MostSpecific(peers_, service);
}

MtlsMode PolicyIndex::MtlsModeOf(const ServiceName& service) const {
  const Document* found = PeerAuthenticationOf(service);
  return found == nullptr ? MtlsMode::kPermissive : std::get<PeerAuthentication>(found->spec).mode;
}

const Document* PolicyIndex::EgressDenialOf(const ServiceName& service) const {
  const Document* found = MostSpecific(egress_, service);
  if (found == nullptr) return nullptr;
  const bool denies = std::get<EgressPolicy>(found->spec).unknown == UnknownDestinations::kDeny;
  return denies ? found : nullptr;
}

const TelemetryPolicy* PolicyIndex::TelemetryOf(const ServiceName& service) const {
  return MostSpecific(telemetry_, service);
}

std::vector<const Document*> PolicyIndex::AuthorizationsOf(const ServiceName& service) const {
  std::vector<const Document*> found;
  const auto add = [&](const ServiceName& target) {
    const auto of = authorizations_.find(target);
    if (of == authorizations_.end()) return;
    std::vector<const Document*> merged;
    std::merge(found.begin(), found.end(), of->second.begin(), of->second.end(),
               std::back_inserter(merged),
               [](const Document* a, const Document* b) { return a->key < b->key; });
    found = std::move(merged);
  };
  add({service.ns, ""});
  if (!service.name.empty()) add(service);
  return found;
}

}  // namespace tulle::policy
