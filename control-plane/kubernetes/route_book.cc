#include "control-plane/kubernetes/route_book.h"

#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "control-plane/kubernetes/route_status.h"

namespace tulle::kubernetes {
namespace {

std::set<ServiceName> ServicesOf(const RouteObject& route) {
  std::set<ServiceName> services;
  for (const RouteParent& parent : route.parents) services.insert(parent.service);
  for (const RouteRef& ref : route.refs) services.insert(ref.service);
  return services;
}

// A new version of which only the status differs, as after each of our own writes.
bool HasSameSpec(const RouteObject& route, const std::string& uid, int64_t generation) {
  return route.generation != 0 && route.generation == generation && route.uid == uid;
}

std::set<ServiceName> ParentsOf(const RouteObject& route) {
  std::set<ServiceName> parents;
  if (!route.document) return parents;
  for (const RouteParent& parent : route.parents) parents.insert(parent.service);
  return parents;
}

}  // namespace

template <typename Name>
void RouteBook::Touch(const std::map<Name, Keys>& index, const Name& name) {
  const auto found = index.find(name);
  if (found != index.end()) touched_.insert(found->second.begin(), found->second.end());
}

void RouteBook::Index(const RouteObject& route) {
  for (const ServiceName& service : ServicesOf(route)) {
    by_service_[service].insert(route.key);
    if (service.ns != route.key.ns) by_target_[service.ns].insert(route.key);
  }
  IndexParents(route, true);
}

// The one that is the first beyond the limit now, or that was, is touched too.
void RouteBook::IndexParents(const RouteObject& route, bool is_added) {
  for (const ServiceName& parent : ParentsOf(route)) {
    const Group group{parent, route.key.ns};
    std::set<Rank>& ranks = groups_[group];
    const Rank rank{route.document->created_at, route.key};
    is_added ? static_cast<void>(ranks.insert(rank)) : static_cast<void>(ranks.erase(rank));
    const size_t at = is_added ? kMostRoutesOfService : kMostRoutesOfService - 1;
    if (ranks.size() > at) touched_.insert(std::next(ranks.begin(), at)->second);
    if (ranks.empty()) groups_.erase(group);
  }
}

std::set<ServiceName> RouteBook::FullParentsOf(const RouteObject& route) const {
  std::set<ServiceName> full;
  for (const ServiceName& parent : ParentsOf(route)) {
    const auto ranks = groups_.find({parent, route.key.ns});
    if (ranks == groups_.end() || ranks->second.size() <= kMostRoutesOfService) continue;
    const Rank& last = *std::next(ranks->second.begin(), kMostRoutesOfService - 1);
    if (last < Rank{route.document->created_at, route.key}) full.insert(parent);
  }
  return full;
}

void RouteBook::Unindex(const RouteObject& route) {
  const auto drop = [&](auto& index, const auto& name) {
    const auto found = index.find(name);
    if (found == index.end()) return;
    found->second.erase(route.key);
    if (found->second.empty()) index.erase(found);
  };
  for (const ServiceName& service : ServicesOf(route)) {
    drop(by_service_, service);
    drop(by_target_, service.ns);
  }
  IndexParents(route, false);
}

void RouteBook::PutRoute(policy::Kind kind, const ObjectKey& key, const Json& object) {
  const policy::DocumentKey name{kind, key.ns, key.name};
  Entry& entry = routes_[name];
  touched_.insert(name);
  const Json& generation = k8s::At(object, {"metadata", "generation"});
  if (generation.is_number_integer() &&
      HasSameSpec(entry.route, k8s::TextAt(object, {"metadata", "uid"}),
                  generation.get<int64_t>())) {
    entry.route.version = k8s::TextAt(object, {"metadata", "resourceVersion"});
    entry.route.statuses = k8s::At(object, {"status", "parents"});
    return;
  }
  Unindex(entry.route);
  entry.route = ReadRoute(kind, key, object);
  Index(entry.route);
}

void RouteBook::RemoveRoute(const policy::DocumentKey& key) {
  const auto entry = routes_.find(key);
  if (entry == routes_.end()) return;
  Unindex(entry->second.route);
  if (entry->second.resolution.policy != nullptr) {
    mesh_.RemovePolicy(key);
    has_changed_ = true;
  }
  routes_.erase(entry);
}

void RouteBook::RemoveRoutes(policy::Kind kind) {
  for (auto it = routes_.lower_bound({kind, "", ""});
       it != routes_.end() && it->first.kind == kind;) {
    RemoveRoute((it++)->first);
  }
}

void RouteBook::OnService(const ServiceName& service) { Touch(by_service_, service); }

void RouteBook::PutGrant(const ObjectKey& key, const Json& grant) {
  grants_.Put(key, grant);
  Touch(by_target_, key.ns);
}

void RouteBook::RemoveGrant(const ObjectKey& key) {
  grants_.Remove(key);
  Touch(by_target_, key.ns);
}

void RouteBook::RemoveGrants() {
  for (const ObjectKey& key : grants_.Keys()) RemoveGrant(key);
}

void RouteBook::UpdateRoute(const policy::DocumentKey& key, PolicyOutcome* outcome) {
  const auto found = routes_.find(key);
  if (found == routes_.end()) return;
  outcome->documents.push_back(key);
  Entry& entry = found->second;
  const auto former = std::move(entry.resolution.policy);
  const std::set<ServiceName> full = FullParentsOf(entry.route);
  entry.resolution = Resolve(entry.route, find_service_, grants_, full);
  if (!std::exchange(entry.is_one_too_many, !full.empty()) && !full.empty()) {
    outcome->refused.push_back(absl::StrCat(policy::ToText(key), ": Service ", full.begin()->ns,
                                            "/", full.begin()->name, " has ", kMostRoutesOfService,
                                            " older routes of namespace ", key.ns));
  }
  auto& policy = entry.resolution.policy;
  if (policy == nullptr) {
    if (former != nullptr) mesh_.RemovePolicy(key);
    outcome->has_changed |= former != nullptr;
  } else if (former != nullptr && former->SameAs(*policy) &&
             former->created_at == policy->created_at) {
    policy = former;
  } else {
    mesh_.PutPolicy(policy);
    outcome->has_changed = true;
  }
}

PolicyOutcome RouteBook::Update() {
  PolicyOutcome outcome;
  outcome.has_changed = std::exchange(has_changed_, false);
  for (const policy::DocumentKey& key : std::exchange(touched_, {})) {
    UpdateRoute(key, &outcome);
  }
  return outcome;
}

std::optional<RouteBook::StatusChange> RouteBook::StatusOf(const policy::DocumentKey& key,
                                                           const std::string& now) const {
  const auto found = routes_.find(key);
  if (found == routes_.end()) return std::nullopt;
  const Entry& entry = found->second;
  auto parents = StatusFor(entry.route, entry.resolution.parents, now);
  if (!parents) return std::nullopt;
  return StatusChange{entry.route.version, *std::move(parents)};
}

std::map<std::string, std::string> RouteBook::Failing(const std::string& type) const {
  std::map<std::string, std::string> failing;
  for (const auto& [key, entry] : routes_) {
    std::set<std::string> seen;
    for (const ParentConditions& parent : entry.resolution.parents) {
      for (const Condition& condition : parent.conditions) {
        if (condition.type == type && !condition.is_true)
          seen.insert(absl::StrCat(condition.reason, ": ", condition.message));
      }
    }
    if (!seen.empty()) failing[policy::ToText(key)] = absl::StrJoin(seen, "; ");
  }
  return failing;
}

}  // namespace tulle::kubernetes
