#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "envoy/service/discovery/v3/discovery.pb.h"
#include "google/rpc/status.pb.h"
#include "xds/proto/type_urls.h"
#include "xds/server/miss_budget.h"
#include "xds/server/rejection.h"
#include "xds/server/subscribed_session.h"
#include "xds/server/wire.h"

namespace tulle::xds {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using Names = std::set<std::string, std::less<>>;

// Field numbers of DeltaDiscoveryResponse.
constexpr uint32_t kResources = 2;
constexpr uint32_t kTypeUrl = 4;
constexpr uint32_t kNonce = 5;
constexpr uint32_t kRemoved = 6;

struct Subscription {
  bool wildcard = false;
  bool dirty = true;        // there may be something to send
  bool must_answer = true;  // even with nothing: the client's first fetch ends with it
  Names names;
  // Versions that the client holds or was sent; empty: it was told that there is no such resource.
  std::map<std::string, std::string, std::less<>> known;
  Names resend;
  std::string nonce;
  std::vector<std::string> in_flight;
  TypeStatus status;
};

// What a response of one type would say.
struct Difference {
  std::vector<std::pair<const std::string*, const Resource*>> changed;
  std::vector<std::string> missing;  // asked for, never had: told at once
  std::vector<std::string> removed;  // the client has it
  size_t told_misses = 0;            // of earlier responses
};

class DeltaSession final : public SubscribedSession<Subscription> {
 public:
  absl::Status OnRequest(std::string_view bytes) override;
  std::optional<std::string> Next(loop::Instant now) override;
  std::optional<loop::Instant> Deadline(loop::Instant now) const override;

 private:
  void OnAnswer(Subscription& subscription, const DeltaDiscoveryRequest& request);
  void Subscribe(Subscription& subscription, const DeltaDiscoveryRequest& request, bool first);
  void Unsubscribe(Subscription& subscription, const DeltaDiscoveryRequest& request);
  Difference Compare(const Subscription& subscription, const ResourceTable& table) const;
  void Forget(Subscription& subscription, const std::string& type, const std::string& name);
  std::optional<std::string> Respond(std::string_view type, loop::Instant now, bool removals);
  void Tell(const std::vector<std::string>& gone, Subscription& subscription,
            std::string& response);
  void ResendEndpointsOf(std::string_view cluster_bytes);

  MissBudget misses_;
};

absl::Status DeltaSession::OnRequest(std::string_view bytes) {
  DeltaDiscoveryRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return absl::InvalidArgumentError("not a DeltaDiscoveryRequest");
  const auto admitted = Admit(request);
  if (!admitted.ok()) return admitted.status();
  const auto [asked, first] = *admitted;
  Subscription& subscription = *asked;
  if (!request.response_nonce().empty() && request.response_nonce() == subscription.nonce)
    OnAnswer(subscription, request);
  Subscribe(subscription, request, first);
  Unsubscribe(subscription, request);
  if (subscription.names.size() > kMostNames)
    return absl::ResourceExhaustedError("too many resource names on one stream");
  return absl::OkStatus();
}

void DeltaSession::OnAnswer(Subscription& subscription, const DeltaDiscoveryRequest& request) {
  pacing_.OnAnswered(request.type_url());
  subscription.nonce.clear();
  const std::vector<std::string> names = std::exchange(subscription.in_flight, {});
  std::map<std::string, std::string> errors;
  if (request.has_error_detail()) errors = ErrorsByName(request.error_detail().message(), names);
  for (const std::string& name : names) {
    const auto status = subscription.status.find(name);
    if (status == subscription.status.end()) continue;
    const auto error = errors.find(name);
    const bool bad = error != errors.end();
    status->second.delivery = bad ? Delivery::kRejected : Delivery::kAcknowledged;
    status->second.error = bad ? error->second : std::string();
  }
}

void DeltaSession::Subscribe(Subscription& subscription, const DeltaDiscoveryRequest& request,
                             bool first) {
  if (first) {
    for (const auto& [name, version] : request.initial_resource_versions()) {
      subscription.known.emplace(name, version);
      subscription.status.emplace(name, ResourceStatus{version, Delivery::kAcknowledged, {}});
    }
    subscription.wildcard =
        HasWildcard(request.type_url()) && request.resource_names_subscribe().empty();
    subscription.must_answer = subscription.wildcard;
  }
  for (const std::string& name : request.resource_names_subscribe()) {
    subscription.dirty = true;
    if (name == "*") {
      subscription.wildcard = subscription.must_answer = true;
      continue;
    }
    const bool again = !subscription.names.insert(name).second || subscription.wildcard;
    if (again && !first) subscription.resend.insert(name);
  }
}

void DeltaSession::Unsubscribe(Subscription& subscription, const DeltaDiscoveryRequest& request) {
  for (const std::string& name : request.resource_names_unsubscribe()) {
    if (name == "*") {
      subscription.wildcard = false;
    } else {
      subscription.names.erase(name);
      subscription.resend.erase(name);
    }
  }
  if (subscription.wildcard) {
    for (const std::string& name : request.resource_names_unsubscribe()) {
      Forget(subscription, request.type_url(), name);
    }
    return;
  }
  if (request.resource_names_unsubscribe().empty()) return;
  const auto dropped = [&](const auto& entry) { return !subscription.names.contains(entry.first); };
  std::erase_if(subscription.known, dropped);
  std::erase_if(subscription.status, dropped);
}

// Beside a wildcard: what it means too stays known, since the client keeps it.
void DeltaSession::Forget(Subscription& subscription, const std::string& type,
                          const std::string& name) {
  const auto known = subscription.known.find(name);
  if (known == subscription.known.end()) return;
  const ResourceTable* table = view_ == nullptr ? nullptr : view_->TableOf(type);
  const auto found = table == nullptr ? ResourceTable::const_iterator() : table->find(name);
  const bool exists = table != nullptr && found != table->end();
  if (!known->second.empty() && !(exists && found->second->by_name_only)) return;
  subscription.known.erase(known);
  subscription.status.erase(name);
}

Difference DeltaSession::Compare(const Subscription& subscription,
                                 const ResourceTable& table) const {
  Difference difference;
  const auto consider = [&](const std::string& name, const Resource& resource) {
    const bool resend = subscription.resend.contains(name);
    const auto status = subscription.status.find(name);
    const bool rejected = status != subscription.status.end() &&
                          status->second.delivery == Delivery::kRejected &&
                          status->second.version == resource.version;
    const auto known = subscription.known.find(name);
    const bool same = known != subscription.known.end() && known->second == resource.version;
    if (!rejected && (!same || resend)) difference.changed.push_back({&name, &resource});
  };
  if (subscription.wildcard) {
    for (const auto& [name, resource] : table) {
      if (!resource->by_name_only) consider(name, *resource);
    }
  }
  for (const std::string& name : subscription.names) {
    const auto found = table.find(name);
    if (found != table.end()) {
      if (!subscription.wildcard || found->second->by_name_only)
        consider(found->first, *found->second);
    } else if (!subscription.known.contains(name) || subscription.resend.contains(name)) {
      difference.missing.push_back(name);
    }
  }
  for (const auto& [name, version] : subscription.known) {
    if (version.empty()) ++difference.told_misses;
    if (!version.empty() && !table.contains(name)) difference.removed.push_back(name);
  }
  return difference;
}

std::optional<std::string> DeltaSession::Next(loop::Instant now) {
  if (view_ == nullptr) return std::nullopt;
  for (const std::string_view type : kTypesInOrder) {
    // What listeners and routes still name must not go before they have changed.
    const bool late = type == kClusterType || type == kEndpointType;
    if (pacing_.MustWait(type, now)) continue;
    if (auto response = Respond(type, now, !late)) return response;
  }
  if (TrafficPending() || !pacing_.TrafficSettled(now)) return std::nullopt;
  for (const std::string_view type : {kEndpointType, kClusterType}) {
    if (auto response = Respond(type, now, true)) return response;
  }
  return std::nullopt;
}

std::optional<std::string> DeltaSession::Respond(std::string_view type, loop::Instant now,
                                                 bool removals) {
  const auto found = types_.find(type);
  const ResourceTable* table = view_->TableOf(type);
  if (found == types_.end() || table == nullptr) return std::nullopt;
  Subscription& subscription = found->second;
  if (!subscription.dirty || pacing_.in_flight(type)) return std::nullopt;
  Difference difference = Compare(subscription, *table);
  bool is_late = false;  // some misses are told later
  if (type == kListenerType && !difference.missing.empty()) {
    const size_t told = misses_.Take(difference.missing.size(), now);
    is_late = told < difference.missing.size();
    difference.missing.resize(told);
  }
  const bool removes = removals && !difference.removed.empty();
  if (difference.changed.empty() && difference.missing.empty() && !removes &&
      !subscription.must_answer) {
    subscription.dirty = is_late || !difference.removed.empty();
    return std::nullopt;
  }
  subscription.must_answer = false;
  std::string response;
  for (const auto& [name, resource] : difference.changed) {
    if (response.size() > kResponseBytes) break;
    AppendResource(response, kResources, *name, resource->version, type, resource->bytes);
    subscription.known.insert_or_assign(*name, resource->version);
    subscription.status.insert_or_assign(*name,
                                         ResourceStatus{resource->version, Delivery::kSent, {}});
    subscription.resend.erase(*name);
    subscription.in_flight.push_back(*name);
    if (type == kClusterType) ResendEndpointsOf(resource->bytes);
  }
  std::vector<std::string> gone = difference.missing;
  if (removes) gone.insert(gone.end(), difference.removed.begin(), difference.removed.end());
  Tell(gone, subscription, response);
  if (type == kListenerType && difference.told_misses + difference.missing.size() > kMostMisses) {
    for (const std::string& name : difference.missing) {
      subscription.known.erase(name);
      subscription.names.erase(name);
    }
  }
  subscription.nonce = NextNonce();
  AppendField(response, kTypeUrl, type);
  AppendField(response, kNonce, subscription.nonce);
  pacing_.OnSent(type, now);
  return response;
}

void DeltaSession::Tell(const std::vector<std::string>& gone, Subscription& subscription,
                        std::string& response) {
  for (const std::string& name : gone) {
    AppendField(response, kRemoved, name);
    subscription.resend.erase(name);
    subscription.status.erase(name);
    if (subscription.names.contains(name)) {
      subscription.known.insert_or_assign(name, std::string());
    } else {
      subscription.known.erase(name);
    }
  }
}

std::optional<loop::Instant> DeltaSession::Deadline(loop::Instant now) const {
  const std::optional<loop::Instant> paced = SubscribedSession::Deadline(now);
  const std::optional<loop::Instant> missed = misses_.Deadline();
  if (!paced || !missed) return paced ? paced : missed;
  return std::min(*paced, *missed);
}

// Envoy warms a changed cluster only when its endpoints come after it, even if they are unchanged
// and it does not ask for them.
void DeltaSession::ResendEndpointsOf(std::string_view cluster_bytes) {
  const auto endpoints = types_.find(kEndpointType);
  if (endpoints == types_.end()) return;
  const std::string name = EndpointNameOf(cluster_bytes);
  if (!endpoints->second.names.contains(name)) return;
  endpoints->second.resend.insert(name);
  endpoints->second.dirty = true;
}

}  // namespace

std::unique_ptr<Session> NewDeltaSession() { return std::make_unique<DeltaSession>(); }

}  // namespace tulle::xds
