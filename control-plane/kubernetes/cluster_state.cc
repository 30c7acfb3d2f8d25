#include "control-plane/kubernetes/cluster_state.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "certs/spiffe_names.h"
#include "control-plane/kubernetes/served_ports.h"

namespace tulle::kubernetes {
namespace {

using discovery::Workload;

bool IsIpv6(const std::string& address) { return address.find(':') != std::string::npos; }

// Any that is healthy makes the pod healthy, then any that is draining.
Health Better(Health a, Health b) {
  for (const Health health : {Health::kHealthy, Health::kDraining}) {
    if (a == health || b == health) return health;
  }
  return Health::kUnhealthy;
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
  SliceIndex::Touched touched;
  for (const ObjectKey& slice : slices_.Of(name)) {
    SliceIndex::AddTouched(slices_.at(slice), &touched);
  }
  Update(std::move(touched), key.ns);
}

void ClusterState::PutSlice(const ObjectKey& key, const Json& slice) {
  Update(slices_.Set(key, ReadSlice(key, slice)), key.ns);
}

void ClusterState::RemoveSlice(const ObjectKey& key) {
  Update(slices_.Set(key, std::nullopt), key.ns);
}

void ClusterState::PutPod(const ObjectKey& key, const Json& row) {
  PodFacts facts = ReadPod(key, row);
  const std::string uid = facts.uid;
  uids_.insert_or_assign(key, uid);
  SetPod(uid, std::move(facts));
}

std::string ClusterState::RemovePod(const ObjectKey& key) {
  const auto uid = uids_.extract(key);
  if (uid.empty()) return "";
  SetPod(uid.mapped(), std::nullopt);
  return uid.mapped();
}

// Most changes of a pod's status mean nothing to the mesh.
void ClusterState::SetPod(const std::string& uid, std::optional<PodFacts> facts) {
  Ids touched{uid};
  if (const auto former = pods_.find(uid); former != pods_.end()) {
    if (facts && former->second == *facts) return;
    AddThoseAt(former->second, &touched);
    const auto there = labelled_at_.find({former->second.ns, former->second.address});
    if (there != labelled_at_.end() && there->second.erase(uid) > 0 && there->second.empty()) {
      labelled_at_.erase(there);
    }
    pods_.erase(former);
  }
  if (facts) {
    if (facts->is_meshed() && !facts->address.empty()) {
      labelled_at_[{facts->ns, facts->address}].insert(uid);
    }
    AddThoseAt(*facts, &touched);
    pods_.emplace(uid, *std::move(facts));
  }
  Update(touched);
}

// What was written by hand for its address is served by the first of the meshed pods there.
void ClusterState::AddThoseAt(const PodFacts& pod, Ids* ids) const {
  const Ids* there = MeshedAt(pod.ns, pod.address);
  if (there == nullptr) return;
  ids->insert(there->begin(), there->end());
  for (const auto& mention : slices_.ByHandAt(pod.ns, pod.address)) ids->insert(mention.id);
}

void ClusterState::PutNode(const ObjectKey& key, const Json& row) {
  SetNode(key.name, ReadNode(row));
}

void ClusterState::RemoveNode(const ObjectKey& key) { SetNode(key.name, {}); }

// Nodes change all the time, these facts hardly ever.
void ClusterState::SetNode(const std::string& node, NodeFacts facts) {
  const auto known = nodes_.find(node);
  const NodeFacts former = known == nodes_.end() ? NodeFacts() : known->second;
  if (former == facts) return;
  if (const auto there = nodes_at_.find(former.address); there != nodes_at_.end()) {
    there->second.erase(node);
    if (there->second.empty()) nodes_at_.erase(there);
  }
  if (!facts.address.empty()) nodes_at_[facts.address].insert(node);
  Ids touched;
  if (is_published_ && former.locality != facts.locality) touched = slices_.IdsOn(node);
  if (is_published_ && former.address != facts.address) {
    AddAllAt(former.address, &touched);
    AddAllAt(facts.address, &touched);
  }
  if (facts == NodeFacts()) {
    nodes_.erase(node);
  } else {
    nodes_.insert_or_assign(node, std::move(facts));
  }
  Update(touched);
}

void ClusterState::AddAllAt(const std::string& address, Ids* ids) const {
  if (address.empty()) return;
  for (const auto& [uid, pod] : pods_) {
    if (pod.address != address) continue;
    ids->insert(uid);
    for (const auto& mention : slices_.ByHandAt(pod.ns, address)) ids->insert(mention.id);
  }
}

bool ClusterState::IsMeshed(const PodFacts& pod) const {
  return pod.is_meshed() && !nodes_at_.contains(pod.address);
}

void ClusterState::ForEachMeshedPod(const std::function<void(const PodFacts&)>& visit) const {
  for (const auto& [uid, pod] : pods_) {
    if (IsMeshed(pod)) visit(pod);
  }
}

const ClusterState::Ids* ClusterState::MeshedAt(const std::string& ns,
                                                const std::string& address) const {
  const auto there = labelled_at_.find({ns, address});
  return there == labelled_at_.end() || nodes_at_.contains(address) ? nullptr : &there->second;
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

void ClusterState::Update(SliceIndex::Touched touched, const std::string& ns) {
  for (const std::string& address : touched.addresses) {
    if (const Ids* there = MeshedAt(ns, address)) touched.ids.insert(*there->begin());
  }
  Update(touched.ids);
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
  const auto facts = nodes_.find(node);
  return facts == nodes_.end() ? "" : facts->second.locality;
}

std::string ClusterState::LocalityOf(const EndpointFacts& endpoint) const {
  std::string locality = LocalityOf(endpoint.node);
  if (!locality.empty() || endpoint.zone.empty()) return locality;
  return "/" + endpoint.zone;
}

// Its own EndpointSlices first, then those that were written by hand. The health is that of the
// Services with an address: a headless one may publish pods that are not ready, for their peers.
// What was written by hand does not know it.
void ClusterState::Serve(const PodFacts& pod, const std::vector<SliceIndex::Mention>& own,
                         Workload* workload) const {
  ServedPorts ports(&pod, workload);
  std::optional<Health> by_address, by_any;
  for (const auto& mention : own) {
    const ServiceFacts* service = FindService(mention.slice.service);
    if (service == nullptr) continue;
    const Health health = mention.endpoint().health;
    by_any = Better(by_any.value_or(health), health);
    if (service->has_address()) by_address = Better(by_address.value_or(health), health);
    ports.Add(*service, mention.slice);
  }
  workload->health = by_address.value_or(by_any.value_or(Health::kHealthy));
  const Ids* there = MeshedAt(pod.ns, pod.address);
  if (there == nullptr || *there->begin() != pod.uid) return;
  for (const auto& mention : slices_.ByHandAt(pod.ns, pod.address)) {
    const ServiceFacts* service = FindService(mention.slice.service);
    if (service != nullptr) ports.Add(*service, mention.slice);
  }
}

std::optional<Workload> ClusterState::BuildPod(const PodFacts& pod) const {
  const auto own = slices_.Naming(pod.ns, pod.uid);
  if (!IsMeshed(pod) && (own.empty() || pod.address.empty())) return std::nullopt;
  Workload workload;
  workload.id = pod.uid;
  workload.ns = pod.ns;
  workload.address = pod.address;
  workload.metadata[discovery::kPodMetadata] = absl::StrCat(pod.ns, "/", pod.name);
  workload.is_meshed = IsMeshed(pod);
  if (workload.is_meshed) {
    workload.interception.emplace();
    workload.interception->has_ipv6 =
        IsIpv6(pod.address) || std::any_of(own.begin(), own.end(), [](const auto& mention) {
          return IsIpv6(mention.endpoint().address);
        });
    workload.spiffe_id =
        certs::SpiffeUri(trust_domain_, absl::StrCat("/ns/", pod.ns, "/sa/", pod.account));
  }
  if (pod.address.empty()) return workload;
  if (!own.empty()) workload.locality = LocalityOf(own[0].endpoint());
  Serve(pod, own, &workload);
  return workload;
}

// Nullopt: the pod at its address serves it, or too many were written for this address.
std::optional<Workload> ClusterState::BuildByHand(const std::string& id) const {
  const std::string ns = id.substr(0, id.find('/'));
  const auto own = slices_.Naming(ns, id);
  if (own.empty() || own[0].endpoint().is_pod) return std::nullopt;
  const EndpointFacts& endpoint = own[0].endpoint();
  if (MeshedAt(ns, endpoint.address) != nullptr) return std::nullopt;
  const auto counted = slices_.ByHandAt(ns, endpoint.address);
  if (std::none_of(counted.begin(), counted.end(),
                   [&](const auto& mention) { return mention.id == id; })) {
    return std::nullopt;
  }
  Workload workload;
  workload.id = id;
  workload.is_meshed = false;
  workload.ns = ns;
  workload.address = endpoint.address;
  workload.locality = LocalityOf(endpoint);
  workload.health = endpoint.health;
  const SliceFacts& slice = own[0].slice;
  const ServiceFacts* service = FindService(slice.service);
  if (service != nullptr) ServedPorts(nullptr, &workload).Add(*service, slice);
  return workload;
}

std::optional<Workload> ClusterState::Build(const std::string& id) const {
  const auto pod = pods_.find(id);
  return pod == pods_.end() ? BuildByHand(id) : BuildPod(pod->second);
}

}  // namespace tulle::kubernetes
