#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "envoy/service/discovery/v3/discovery.pb.h"
#include "google/rpc/status.pb.h"
#include "xds/proto/type_urls.h"
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
};

class DeltaSession final : public SubscribedSession<Subscription> {
 public:
  absl::Status OnRequest(std::string_view bytes) override;
  std::optional<std::string> Next(loop::Instant now) override;

 private:
  void OnAnswer(Subscription& subscription, const DeltaDiscoveryRequest& request);
  void Subscribe(Subscription& subscription, const DeltaDiscoveryRequest& request, bool first);
  void Unsubscribe(Subscription& subscription, const DeltaDiscoveryRequest& request);
  Difference Compare(const Subscription& subscription, const ResourceTable& table) const;
  std::optional<std::string> Respond(std::string_view type, loop::Instant now, bool removals);
  void ResendEndpointsOf(std::string_view cluster_bytes);
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
  if (subscription.wildcard || request.resource_names_unsubscribe().empty()) return;
  const auto dropped = [&](const auto& entry) { return !subscription.names.contains(entry.first); };
  std::erase_if(subscription.known, dropped);
  std::erase_if(subscription.status, dropped);
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
    for (const auto& [name, resource] : table) consider(name, *resource);
  }
  for (const std::string& name : subscription.names) {
    const auto found = table.find(name);
    if (found != table.end()) {
      if (!subscription.wildcard) consider(found->first, *found->second);
    } else if (!subscription.known.contains(name) || subscription.resend.contains(name)) {
      difference.missing.push_back(name);
    }
  }
  for (const auto& [name, version] : subscription.known) {
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
  const Difference difference = Compare(subscription, *table);
  const bool removes = removals && !difference.removed.empty();
  if (difference.changed.empty() && difference.missing.empty() && !removes &&
      !subscription.must_answer) {
    if (difference.removed.empty()) subscription.dirty = false;
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
  subscription.nonce = NextNonce();
  AppendField(response, kTypeUrl, type);
  AppendField(response, kNonce, subscription.nonce);
  pacing_.OnSent(type, now);
  return response;
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
