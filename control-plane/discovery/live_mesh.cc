#include "control-plane/discovery/live_mesh.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace tulle::discovery {
namespace {

using Scope = MeshChanges::Scope;

template <typename Key, typename Index, typename Value>
void Drop(const Key& key, const Value& value, Index* index) {
  const auto found = index->find(key);
  if (found == index->end()) return;
  found->second.erase(value);
  if (found->second.empty()) index->erase(found);
}

bool HaveSamePorts(const Service& a, const Service& b) {
  return std::equal(a.ports.begin(), a.ports.end(), b.ports.begin(), b.ports.end(),
                    [](const auto& x, const auto& y) {
                      return x.first == y.first && x.second.protocol == y.second.protocol;
                    });
}

bool IsInSamePlace(const Workload& a, const Workload& b) {
  return a.address == b.address && a.services == b.services && a.outbound.tcp == b.outbound.tcp;
}

// What it is told of itself does not depend on its health.
bool DifferForThemselves(Workload a, const Workload& b) {
  a.health = b.health;
  return !(a == b);
}

}  // namespace

LiveMesh::LiveMesh(std::string trust_domain, std::string access_log_file) {
  mesh_.trust_domain = std::move(trust_domain);
  mesh_.access_log_file = std::move(access_log_file);
}

void LiveMesh::Touch(const ServiceName& service, Scope scope) {
  Scope& known = changes_.services.try_emplace(service, scope).first->second;
  known = known | scope;
}

void LiveMesh::Index(const Workload& workload) {
  for (const ServiceName& service : workload.services) {
    Ids& ids = servers_[service];
    if (ids.empty()) has_new_hosts_ = true;
    ids.insert(workload.id);
    Touch(service, Scope::kEndpoints);
  }
  if (!workload.address.empty()) mesh_.workloads_at[workload.address].insert(workload.id);
  for (const TcpOutbound& tcp : workload.outbound.tcp) {
    callers_[tcp.service].insert(workload.id);
    Touch(tcp.service, Scope::kEndpoints);
  }
}

void LiveMesh::Unindex(const Workload& workload) {
  for (const ServiceName& service : workload.services) {
    Drop(service, workload.id, &servers_);
    if (!servers_.contains(service)) has_new_hosts_ = true;
    Touch(service, Scope::kEndpoints);
  }
  Drop(workload.address, workload.id, &mesh_.workloads_at);
  for (const TcpOutbound& tcp : workload.outbound.tcp) {
    Drop(tcp.service, workload.id, &callers_);
    Touch(tcp.service, Scope::kEndpoints);
  }
}

void LiveMesh::PutWorkload(Workload workload) {
  const auto former = mesh_.workloads.find(workload.id);
  const bool is_new = former == mesh_.workloads.end();
  if (!is_new && former->second == workload) return;
  if (is_new || DifferForThemselves(former->second, workload)) {
    changes_.workloads.insert(workload.id);
  }
  changes_.gone.erase(workload.id);
  if (!is_new && IsInSamePlace(former->second, workload)) {
    for (const ServiceName& service : workload.services) Touch(service, Scope::kEndpoints);
  } else {
    if (!is_new) Unindex(former->second);
    Index(workload);
  }
  const std::string id = workload.id;
  mesh_.workloads.insert_or_assign(id, std::move(workload));
}

void LiveMesh::RemoveWorkload(const std::string& id) {
  const auto former = mesh_.workloads.find(id);
  if (former == mesh_.workloads.end()) return;
  Unindex(former->second);
  changes_.workloads.insert(id);
  changes_.gone.insert_or_assign(id, std::move(former->second));
  mesh_.workloads.erase(former);
}

void LiveMesh::PutService(const ServiceName& name, DeclaredService service) {
  const auto [entry, is_new] = mesh_.declared.try_emplace(name);
  if (!is_new && entry->second == service) return;
  const bool has_new_address = is_new || entry->second.address != service.address;
  Touch(name, has_new_address ? Scope::kWhole : Scope::kEndpoints);
  has_new_hosts_ |= has_new_address;
  entry->second = std::move(service);
}

void LiveMesh::RemoveService(const ServiceName& name) {
  if (mesh_.declared.erase(name) == 0) return;
  has_new_hosts_ = true;
  Touch(name, Scope::kWhole);
}

void LiveMesh::IndexRoute(const policy::Document& document, bool is_added) {
  const policy::Route* route = policy::RouteIn(document);
  if (route == nullptr) return;
  for (const ServiceName& service : ServicesNamedBy(*route)) {
    const bool was_named = routes_.contains(service);
    if (is_added) {
      routes_[service].insert(document.key);
    } else {
      Drop(service, document.key, &routes_);
    }
    if (was_named != routes_.contains(service)) has_new_hosts_ = true;
  }
}

// What a document concerns follows from the set that it is in: those that go are looked at before
// the set changes, those that come after it has.
void LiveMesh::ChangePolicies(const PolicyChanges& changes) {
  if (changes.empty()) return;
  changes_.policies = true;
  for (const auto& [key, document] : changes) {
    if (const policy::Document* former = mesh_.policies.Find(key)) TouchPolicy(*former);
  }
  for (const auto& [key, document] : changes) {
    if (const policy::Document* former = mesh_.policies.Find(key)) IndexRoute(*former, false);
    if (document == nullptr) mesh_.policies.Erase(key);
  }
  for (const auto& [key, document] : changes) {
    if (document == nullptr) continue;
    mesh_.policies.Upsert(document);
    IndexRoute(*document, true);
  }
  for (const auto& [key, document] : changes) {
    if (document != nullptr) TouchPolicy(*document);
  }
}

void LiveMesh::TouchPolicy(const policy::Document& document) {
  if (const policy::Route* route = policy::RouteIn(document)) {
    TouchRoute(*route, document.key.ns);
  } else if (const auto* resilience = std::get_if<policy::ResiliencePolicy>(&document.spec)) {
    TouchResilience({resilience->target.ns, resilience->target.name});
  } else if (std::holds_alternative<policy::ExternalService>(document.spec)) {
    changes_.external_services = changes_.routes = has_new_hosts_ = true;
  } else if (const auto* telemetry = std::get_if<policy::TelemetryPolicy>(&document.spec)) {
    changes_.collectors = true;
    TouchTarget(telemetry->target);
    if (telemetry->target.kind != policy::TargetKind::kMesh) return;
    changes_.external_services = true;
    for (const auto& [name, service] : services_) Touch(name, Scope::kListeners);
  } else if (const auto* rules = std::get_if<policy::AuthorizationPolicy>(&document.spec)) {
    TouchTarget(rules->target);
  } else if (const auto* peers = std::get_if<policy::PeerAuthentication>(&document.spec)) {
    TouchTarget(peers->target);
  } else if (const auto* egress = std::get_if<policy::EgressPolicy>(&document.spec)) {
    TouchTarget(egress->target);
  }
}

// Anyone may write routes for Services of other namespaces: that must not cost what these Services
// are made of.
void LiveMesh::TouchRoute(const policy::Route& route, const std::string& ns) {
  changes_.routes = true;
  for (const policy::ParentRef& parent : route.parents) {
    const bool exists =
        mesh_.declared.contains(parent.service) || servers_.contains(parent.service);
    const bool is_consumer = parent.service.ns != ns && exists;
    Touch(parent.service, is_consumer ? Scope::kConsumerRoutes : Scope::kWhole);
  }
  for (const policy::RouteRule& rule : route.rules) {
    for (const policy::BackendRef& backend : rule.backends) {
      if (backend.invalid.empty()) TouchBackend(backend, ns);
    }
  }
}

// Whatever the routes say.
bool LiveMesh::HasPort(const ServiceName& service, uint32_t port) const {
  const auto declared = mesh_.declared.find(service);
  if (declared != mesh_.declared.end() && declared->second.ports.contains(port)) return true;
  const auto known = services_.find(service);
  if (known == services_.end()) return false;
  const auto served = known->second.ports.find(port);
  return served != known->second.ports.end() && !served->second.endpoints.empty();
}

// A backend has the port that the route names, and the resilience of the route's parent, which is
// for callers with a TCP listener too.
void LiveMesh::TouchBackend(const policy::BackendRef& backend, const std::string& ns) {
  if (backend.service.ns != ns && HasPort(backend.service, backend.port)) return;
  Touch(backend.service, Scope::kWhole);
  TouchCallersOf(backend.service);
}

// Backends without a policy of their own take that of the service whose route leads to them.
void LiveMesh::TouchResilience(const ServiceName& service) {
  changes_.routes = true;
  Touch(service, Scope::kWhole);
  TouchServersOf(service);
  TouchCallersOf(service);
  const auto routes = routes_.find(service);
  if (routes == routes_.end()) return;
  for (const policy::DocumentKey& key : routes->second) {
    const policy::Document* document = mesh_.policies.Find(key);
    if (document == nullptr) continue;
    const policy::Route& route = *policy::RouteIn(*document);
    if (route.parents.empty() || route.parents[0].service != service) continue;
    TouchRoute(route, key.ns);
  }
}

void LiveMesh::TouchServersOf(const ServiceName& service) {
  const auto servers = servers_.find(service);
  if (servers != servers_.end())
    changes_.workloads.insert(servers->second.begin(), servers->second.end());
}

void LiveMesh::TouchCallersOf(const ServiceName& service) {
  const auto callers = callers_.find(service);
  if (callers != callers_.end())
    changes_.workloads.insert(callers->second.begin(), callers->second.end());
}

void LiveMesh::TouchTarget(const policy::Target& target) {
  if (target.kind == policy::TargetKind::kService) {
    return TouchServersOf({target.ns, target.name});
  }
  const bool is_mesh = target.kind == policy::TargetKind::kMesh;
  for (const auto& [id, workload] : mesh_.workloads) {
    const bool is_in = std::any_of(workload.services.begin(), workload.services.end(),
                                   [&](const auto& each) { return each.ns == target.ns; });
    const bool is_alone = workload.services.empty() && workload.ns == target.ns;
    if (is_mesh || is_in || is_alone) changes_.workloads.insert(id);
  }
}

void LiveMesh::SetTrustBundle(const std::string& pem, const std::string& revocations_pem) {
  if (pem == mesh_.trust_bundle_pem && revocations_pem == mesh_.revocations_pem) return;
  mesh_.trust_bundle_pem = pem;
  mesh_.revocations_pem = revocations_pem;
  changes_.trust_bundle = true;
}

std::set<std::string> LiveMesh::Hosts() const {
  std::set<std::string> hosts;
  const auto add = [&](const ServiceName& name) {
    if (!mesh_.declared.contains(name)) hosts.insert(HostOf(name));
  };
  for (const auto& [name, ids] : servers_) add(name);
  for (const auto& [name, keys] : routes_) add(name);
  for (const policy::Document* document : mesh_.policies.ExternalServices()) {
    hosts.insert(std::get<policy::ExternalService>(document->spec).hosts[0]);
  }
  return hosts;
}

void LiveMesh::SetVips(const std::map<std::string, std::string>& assigned) {
  std::map<std::string, std::string> vips = assigned;
  for (const auto& [name, service] : mesh_.declared) {
    if (service.address.empty()) {
      vips.erase(HostOf(name));
    } else {
      vips.insert_or_assign(HostOf(name), service.address);
    }
  }
  if (vips == mesh_.vips) return;
  const auto of = [](const auto& addresses, const std::string& host) {
    const auto found = addresses.find(host);
    return found == addresses.end() ? std::string() : found->second;
  };
  const auto touch = [&](const ServiceName& name) {
    const std::string host = HostOf(name);
    if (of(vips, host) != of(mesh_.vips, host)) Touch(name, Scope::kWhole);
  };
  for (const auto& [name, ids] : servers_) touch(name);
  for (const auto& [name, keys] : routes_) touch(name);
  for (const auto& [name, ids] : callers_) touch(name);
  changes_.external_services = true;
  mesh_.vips = std::move(vips);
}

ServiceParts LiveMesh::PartsOf(const ServiceName& name) const {
  ServiceParts parts;
  const auto declared = mesh_.declared.find(name);
  if (declared != mesh_.declared.end()) parts.declared = &declared->second;
  const auto add = [this](const auto& index, const ServiceName& key, auto* workloads) {
    const auto found = index.find(key);
    if (found == index.end()) return;
    for (const std::string& id : found->second) workloads->push_back(&mesh_.workloads.at(id));
  };
  add(servers_, name, &parts.servers);
  add(callers_, name, &parts.callers);
  const auto routes = routes_.find(name);
  if (routes == routes_.end()) return parts;
  for (const policy::DocumentKey& key : routes->second) {
    parts.routes.push_back(mesh_.policies.Find(key));
  }
  return parts;
}

void LiveMesh::Rebuild(const ServiceName& name, Scope* scope) {
  const ServiceParts parts = PartsOf(name);
  const auto former = services_.find(name);
  if (parts.empty()) {
    *scope = Scope::kWhole;
    if (former == services_.end()) return;
    services_.erase(former);
    changes_.routes = true;
    return;
  }
  Service service = BuildService(name, parts);
  const bool has_same_ports = former != services_.end() && HaveSamePorts(former->second, service);
  if (!has_same_ports) {
    changes_.routes = true;
    TouchCallersOf(name);  // their listeners for it follow the protocol of the port
  }
  if (!has_same_ports || former->second.identities != service.identities) *scope = Scope::kWhole;
  services_.insert_or_assign(name, std::move(service));
}

MeshChanges LiveMesh::TakeChanges() {
  for (auto& [name, scope] : changes_.services) {
    if (scope == Scope::kEndpoints || scope == Scope::kWhole) Rebuild(name, &scope);
  }
  has_new_hosts_ = false;
  return std::exchange(changes_, {});
}

}  // namespace tulle::discovery
