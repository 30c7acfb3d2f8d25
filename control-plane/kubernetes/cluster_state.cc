#include "control-plane/kubernetes/cluster_state.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "certs/spiffe_names.h"

namespace tulle::kubernetes {
namespace {

using discovery::InboundPort;
using discovery::Workload;

bool IsIpv6(const std::string& address) { return address.find(':') != std::string::npos; }

// Any that is healthy makes the pod healthy, then any that is draining.
Health Better(Health a, Health b) {
  for (const Health health : {Health::kHealthy, Health::kDraining}) {
    if (a == health || b == health) return health;
  }
  return Health::kUnhealthy;
}

// Several service ports may lead to one port of the pod.
void AddInbound(const discovery::ServedPort& served, bool is_skipped, Workload* workload) {
  const auto known = std::find_if(
      workload->inbound.begin(), workload->inbound.end(),
      [&](const InboundPort& port) { return port.listen_port == served.dialled_port; });
  if (known == workload->inbound.end()) {
    InboundPort port{served.dialled_port, served.dialled_port, served.service_port,
                     served.protocol};
    port.is_skipped = is_skipped;
    workload->inbound.push_back(std::move(port));
    return;
  }
  if (known->protocol != served.protocol) known->protocol = Protocol::kAuto;
  if (known->service_port != served.service_port) {
    known->further_service_ports.push_back(served.service_port);
  }
}

// The ports of one Service, as one EndpointSlice says them.
void AddServed(const ServiceFacts& service, const SliceFacts& slice, const PodFacts* pod,
               Workload* workload) {
  for (const auto& [name, port] : service.ports) {
    const auto target = slice.ports.find(name);
    if (target == slice.ports.end()) continue;
    const uint32_t dialled = target->second;
    const bool is_opaque = pod != nullptr && pod->opaque_ports.contains(dialled);
    discovery::ServedPort served{slice.service, port.number, dialled,
                                 is_opaque ? Protocol::kTcp : port.protocol};
    if (std::find(workload->serves.begin(), workload->serves.end(), served) !=
        workload->serves.end())
      continue;
    AddInbound(served, pod != nullptr && pod->skipped_ports.contains(dialled), workload);
    workload->serves.push_back(std::move(served));
  }
}

}  // namespace

void ClusterState::PutService(const ObjectKey& key, const Json& service) {
  SetService(key, ReadService(service));
}

void ClusterState::RemoveService(const ObjectKey& key) { SetService(key, std::nullopt); }

const ServiceFacts* ClusterState::FindService(const ServiceName& name) const {
  const auto found = services_.find({name.ns, name.name});
  return found == services_.end() ? nullptr : &found->second;
}

void ClusterState::SetService(const ObjectKey& key, std::optional<ServiceFacts> facts) {
  const ServiceName name{key.ns, key.name};
  const bool was_known = services_.contains(key);
  if (facts) {
    if (is_published_) mesh_.PutService(name, facts->declared);
    services_.insert_or_assign(key, *std::move(facts));
  } else if (was_known) {
    if (is_published_) mesh_.RemoveService(name);
    services_.erase(key);
  }
  Ids touched;
  for (const ObjectKey& slice : slices_.Of(name)) slices_.AddIdsOf(slice, &touched);
  Update(touched);
}

void ClusterState::PutSlice(const ObjectKey& key, const Json& slice) {
  Update(slices_.Set(key, ReadSlice(key, slice)));
}

void ClusterState::RemoveSlice(const ObjectKey& key) { Update(slices_.Set(key, std::nullopt)); }

void ClusterState::PutPod(const ObjectKey& key, const Json& metadata) {
  PodFacts facts = ReadPod(key, metadata);
  const std::string uid = facts.uid;
  uids_.insert_or_assign(key, uid);
  pods_.insert_or_assign(uid, std::move(facts));
  UpdateWith(uid);
}

std::string ClusterState::RemovePod(const ObjectKey& key) {
  const auto uid = uids_.extract(key);
  if (uid.empty()) return "";
  pods_.erase(uid.mapped());
  UpdateWith(uid.mapped());
  return uid.mapped();
}

void ClusterState::PutNode(const ObjectKey& key, const Json& metadata) {
  SetLocality(key.name, ReadLocality(metadata));
}

void ClusterState::RemoveNode(const ObjectKey& key) { SetLocality(key.name, ""); }

// Nodes change all the time, their localities hardly ever.
void ClusterState::SetLocality(const std::string& node, std::string locality) {
  const auto known = localities_.find(node);
  if (LocalityOf(node) == locality) return;
  if (locality.empty()) {
    localities_.erase(known);
  } else {
    localities_.insert_or_assign(node, std::move(locality));
  }
  Update(slices_.IdsOn(node));
}

absl::Status ClusterState::CheckRegistration(const Workload& workload) const {
  if (pods_.contains(workload.id) || reported_.contains(workload.id)) {
    return absl::PermissionDeniedError(
        absl::StrCat("instance ", workload.id,
                     " is a pod of the Kubernetes cluster: choose another instance id"));
  }
  for (const ServiceName& service : workload.services) {
    if (!services_.contains({service.ns, service.name})) continue;
    return absl::PermissionDeniedError(
        absl::StrCat("service ", service.ns, "/", service.name,
                     " is a Service of the Kubernetes cluster, which alone knows its endpoints"));
  }
  return absl::OkStatus();
}

size_t ClusterState::EndpointsOf(const ServiceName& service) const {
  Ids ids;
  for (const ObjectKey& slice : slices_.Of(service)) {
    for (const auto& [id, endpoint] : slices_.at(slice).endpoints) ids.insert(id);
  }
  return ids.size();
}

void ClusterState::Publish() {
  is_published_ = true;
  for (const auto& [key, facts] : services_) mesh_.PutService({key.ns, key.name}, facts.declared);
  Ids all = slices_.All();
  for (const auto& [uid, pod] : pods_) all.insert(uid);
  Update(all);
}

// A pod, and what was written by hand for its address.
void ClusterState::UpdateWith(const std::string& uid) {
  Ids touched;
  slices_.AddIdsWith(uid, &touched);
  Update(touched);
}

void ClusterState::Update(const Ids& workloads) {
  if (!is_published_) return;
  for (const std::string& id : workloads) {
    if (auto workload = Build(id)) {
      mesh_.PutWorkload(*std::move(workload));
      reported_.insert(id);
    } else if (reported_.erase(id) > 0) {
      mesh_.RemoveWorkload(id);
    }
  }
}

std::string ClusterState::LocalityOf(const std::string& node) const {
  const auto locality = localities_.find(node);
  return locality == localities_.end() ? "" : locality->second;
}

std::string ClusterState::LocalityOf(const EndpointFacts& endpoint) const {
  std::string locality = LocalityOf(endpoint.node);
  if (!locality.empty() || endpoint.zone.empty()) return locality;
  return "/" + endpoint.zone;
}

// Whoever may write to a namespace may write any uid into its EndpointSlices: of pods in other
// namespaces they tell nothing.
bool ClusterState::MayTell(const SliceFacts& slice, const std::string& id) const {
  const auto pod = pods_.find(id);
  return pod == pods_.end() || pod->second.ns == slice.service.ns;
}

// The meshed pod at the address of an endpoint that was written by hand, of the same namespace.
bool ClusterState::IsOfMeshedPod(const ServiceName& service, const std::string& address) const {
  const auto& there = slices_.At(address);
  return std::any_of(there.begin(), there.end(), [&](const SliceIndex::Mention& mention) {
    const auto pod = pods_.find(mention.first);
    return pod != pods_.end() && pod->second.is_meshed() && pod->second.ns == service.ns &&
           slices_.at(mention.second).service.ns == service.ns;
  });
}

// Its address: of several, which are of two IP versions, the IPv4 address. False: none is known.
bool ClusterState::Place(const std::string& id, Workload* workload) const {
  for (const ObjectKey& key : slices_.Naming(id)) {
    const SliceFacts& slice = slices_.at(key);
    if (!MayTell(slice, id)) continue;
    const EndpointFacts& endpoint = slice.endpoints.at(id);
    const bool is_first = workload->address.empty();
    if (IsIpv6(endpoint.address) && workload->interception) {
      workload->interception->has_ipv6 = true;
    }
    if (!is_first && !(IsIpv6(workload->address) && !IsIpv6(endpoint.address))) continue;
    workload->address = endpoint.address;
    workload->ns = slice.service.ns;
    workload->locality = LocalityOf(endpoint);
  }
  return !workload->address.empty();
}

// What names it at its address: its own EndpointSlices first, then those that were written by hand.
std::vector<SliceIndex::Mention> ClusterState::MentionsOf(const Workload& workload) const {
  std::vector<SliceIndex::Mention> own, by_hand;
  for (const SliceIndex::Mention& mention : slices_.At(workload.address)) {
    const SliceFacts& slice = slices_.at(mention.second);
    if (mention.first == workload.id) {
      if (MayTell(slice, workload.id)) own.push_back(mention);
    } else if (workload.is_meshed && !slices_.at(mention).is_pod &&
               slice.service.ns == workload.ns) {
      by_hand.push_back(mention);
    }
  }
  own.insert(own.end(), by_hand.begin(), by_hand.end());
  return own;
}

// The health is that of the Services with an address: a headless one may publish pods that are not
// ready, for their peers. What was written by hand does not know it.
void ClusterState::Serve(const PodFacts* pod, Workload* workload) const {
  std::optional<Health> by_address, by_any;
  for (const SliceIndex::Mention& mention : MentionsOf(*workload)) {
    const SliceFacts& slice = slices_.at(mention.second);
    const auto service = services_.find({slice.service.ns, slice.service.name});
    if (service == services_.end()) continue;
    if (std::find(workload->services.begin(), workload->services.end(), slice.service) ==
        workload->services.end()) {
      workload->services.push_back(slice.service);
    }
    if (mention.first == workload->id) {
      const Health health = slices_.at(mention).health;
      by_any = Better(by_any.value_or(health), health);
      if (service->second.has_address()) by_address = Better(by_address.value_or(health), health);
    }
    AddServed(service->second, slice, pod, workload);
  }
  workload->health = by_address.value_or(by_any.value_or(Health::kHealthy));
}

std::optional<Workload> ClusterState::Build(const std::string& id) const {
  const auto found = pods_.find(id);
  const PodFacts* const pod = found == pods_.end() ? nullptr : &found->second;
  Workload workload;
  workload.id = id;
  workload.is_meshed = pod != nullptr && pod->is_meshed();
  if (workload.is_meshed) {
    workload.interception.emplace();
    workload.spiffe_id =
        certs::SpiffeUri(trust_domain_, absl::StrCat("/ns/", pod->ns, "/sa/", pod->account));
  }
  if (pod != nullptr) {
    workload.ns = pod->ns;
    workload.metadata["tulle.dev/pod"] = absl::StrCat(pod->ns, "/", pod->name);
  }
  if (!Place(id, &workload)) {
    if (!workload.is_meshed) return std::nullopt;
    return workload;
  }
  const SliceFacts& slice = slices_.at(*slices_.Naming(id).begin());
  if (slice.endpoints.at(id).is_pod) {
    if (pod == nullptr) return std::nullopt;
  } else if (IsOfMeshedPod(slice.service, workload.address)) {
    return std::nullopt;  // The pod serves it.
  }
  Serve(pod, &workload);
  return workload;
}

}  // namespace tulle::kubernetes
