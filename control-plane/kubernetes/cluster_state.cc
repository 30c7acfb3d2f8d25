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
  const auto slices = slices_of_.find(name);
  if (slices == slices_of_.end()) return;
  Ids touched;
  for (const ObjectKey& slice : slices->second) {
    for (const auto& [id, endpoint] : slices_.at(slice).endpoints) touched.insert(id);
  }
  Update(touched);
}

void ClusterState::PutSlice(const ObjectKey& key, const Json& slice) {
  SetSlice(key, ReadSlice(key, slice));
}

void ClusterState::RemoveSlice(const ObjectKey& key) { SetSlice(key, std::nullopt); }

void ClusterState::SetSlice(const ObjectKey& key, std::optional<SliceFacts> facts) {
  Ids touched;
  if (const auto former = slices_.find(key); former != slices_.end()) {
    for (const auto& [id, endpoint] : former->second.endpoints) {
      touched.insert(id);
      const auto slices = slices_with_.find(id);
      slices->second.erase(key);
      if (slices->second.empty()) slices_with_.erase(slices);
    }
    const auto slices = slices_of_.find(former->second.service);
    slices->second.erase(key);
    if (slices->second.empty()) slices_of_.erase(slices);
    slices_.erase(former);
  }
  if (facts) {
    for (const auto& [id, endpoint] : facts->endpoints) {
      touched.insert(id);
      slices_with_[id].insert(key);
    }
    slices_of_[facts->service].insert(key);
    slices_.emplace(key, *std::move(facts));
  }
  Update(touched);
}

void ClusterState::PutPod(const ObjectKey& key, const Json& metadata) {
  PodFacts facts = ReadPod(key, metadata);
  const std::string uid = facts.uid;
  uids_.insert_or_assign(key, uid);
  pods_.insert_or_assign(uid, std::move(facts));
  Update({uid});
}

std::string ClusterState::RemovePod(const ObjectKey& key) {
  const auto uid = uids_.extract(key);
  if (uid.empty()) return "";
  pods_.erase(uid.mapped());
  Update({uid.mapped()});
  return uid.mapped();
}

void ClusterState::PutNode(const ObjectKey& key, const Json& metadata) {
  SetLocality(key.name, ReadLocality(metadata));
}

void ClusterState::RemoveNode(const ObjectKey& key) { SetLocality(key.name, ""); }

// Nodes change all the time, their localities hardly ever.
void ClusterState::SetLocality(const std::string& node, std::string locality) {
  const auto known = localities_.find(node);
  if ((known == localities_.end() ? std::string() : known->second) == locality) return;
  if (locality.empty()) {
    localities_.erase(known);
  } else {
    localities_.insert_or_assign(node, std::move(locality));
  }
  Ids touched;
  for (const auto& [key, slice] : slices_) {
    for (const auto& [id, endpoint] : slice.endpoints) {
      if (endpoint.node == node) touched.insert(id);
    }
  }
  Update(touched);
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

void ClusterState::Publish() {
  is_published_ = true;
  for (const auto& [key, facts] : services_) mesh_.PutService({key.ns, key.name}, facts.declared);
  Ids all;
  for (const auto& [uid, pod] : pods_) all.insert(uid);
  for (const auto& [id, slices] : slices_with_) all.insert(id);
  Update(all);
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

std::string ClusterState::LocalityOf(const EndpointFacts& endpoint) const {
  const auto locality = localities_.find(endpoint.node);
  if (locality != localities_.end()) return locality->second;
  return endpoint.zone.empty() ? "" : "/" + endpoint.zone;
}

// Whoever may write to a namespace may write any uid into its EndpointSlices: of pods in other
// namespaces they tell nothing.
bool ClusterState::MayTell(const SliceFacts& slice, const std::string& id) const {
  const auto pod = pods_.find(id);
  return pod == pods_.end() || pod->second.ns == slice.service.ns;
}

// Its address: of several, which are of two IP versions, the IPv4 address. False: none is known.
bool ClusterState::Place(const std::string& id, Workload* workload) const {
  const auto slices = slices_with_.find(id);
  if (slices == slices_with_.end()) return false;
  for (const ObjectKey& key : slices->second) {
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

// The health is that of the Services with an address: a headless one may publish pods that are not
// ready, for their peers.
void ClusterState::Serve(const std::string& id, const PodFacts* pod, Workload* workload) const {
  std::optional<Health> by_address, by_any;
  for (const ObjectKey& key : slices_with_.at(id)) {
    const SliceFacts& slice = slices_.at(key);
    const EndpointFacts& endpoint = slice.endpoints.at(id);
    const auto service = services_.find({slice.service.ns, slice.service.name});
    if (endpoint.address != workload->address || service == services_.end()) continue;
    if (!MayTell(slice, id)) continue;
    if (std::find(workload->services.begin(), workload->services.end(), slice.service) ==
        workload->services.end()) {
      workload->services.push_back(slice.service);
    }
    by_any = Better(by_any.value_or(endpoint.health), endpoint.health);
    if (service->second.has_address()) {
      by_address = Better(by_address.value_or(endpoint.health), endpoint.health);
    }
    for (const auto& [name, port] : service->second.ports) {
      const auto target = slice.ports.find(name);
      if (target == slice.ports.end()) continue;
      discovery::ServedPort served{slice.service, port.number, target->second, port.protocol};
      if (std::find(workload->serves.begin(), workload->serves.end(), served) !=
          workload->serves.end())
        continue;
      AddInbound(served, pod != nullptr && pod->skipped_ports.contains(target->second), workload);
      workload->serves.push_back(std::move(served));
    }
  }
  workload->health = by_address.value_or(by_any.value_or(Health::kHealthy));
}

std::optional<Workload> ClusterState::Build(const std::string& id) const {
  const auto found = pods_.find(id);
  const PodFacts* const pod = found == pods_.end() ? nullptr : &found->second;
  Workload workload;
  workload.id = id;
  workload.is_meshed = pod != nullptr && !pod->account.empty();
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
  const auto& slice = slices_.at(*slices_with_.at(id).begin());
  if (slice.endpoints.at(id).is_pod && pod == nullptr) return std::nullopt;
  Serve(id, pod, &workload);
  return workload;
}

}  // namespace tulle::kubernetes
