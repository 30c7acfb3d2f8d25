#include <algorithm>
#include <cstdio>
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

using envoy::service::discovery::v3::DiscoveryRequest;

// Field version_info of DiscoveryResponse.
constexpr uint32_t kVersion = 1;

using Names = std::set<std::string, std::less<>>;

// One resource type of one stream.
class Subscription {
 public:
  Subscription(std::string_view type_url, SubscriptionObserver* observer)
      : type_url_(type_url), observer_(observer) {}
  ~Subscription() { Watch(Names(), false); }
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

  void OnAllChanged() { dirty = true; }
  bool OnChanged(const std::string& name, const View*) {
    if (!wildcard && !names.contains(name)) return false;
    dirty = true;
    return true;
  }
  bool Resend(const std::string& name) {
    if (!wildcard && !names.contains(name)) return false;
    dirty = must_send = true;
    status.erase(name);
    return true;
  }
  bool IsPending() const { return dirty; }
  size_t rejected() const {
    return static_cast<size_t>(std::count_if(status.begin(), status.end(), [](const auto& each) {
      return each.second.delivery == Delivery::kRejected;
    }));
  }
  std::string Acknowledged(std::string_view name) const {
    const auto found = status.find(name);
    const bool is_held = found != status.end() && found->second.delivery == Delivery::kAcknowledged;
    return is_held ? found->second.version : std::string();
  }
  uint64_t rejection_changes() const { return changes; }
  void ForEach(const Session::Visit& visit) const {
    for (const auto& [name, each] : status) visit({name, each.version, each.delivery, each.error});
  }

  // From now on these are subscribed to.
  void Watch(Names new_names, bool new_wildcard);
  // What the client is to hold. `keep_old`: also what was sent before and is gone.
  ResourceTable Wanted(const View& view, bool keep_old) const;

  bool wildcard = false;
  bool named = false;  // explicit names came on this stream: an empty list means none from then on
  bool dirty = true;
  bool must_send = true;  // even the version that was sent last
  Names names;
  // What was sent last; clusters that are to go stay in it until nothing names them.
  ResourceTable sent;
  std::string version;
  std::string rejected_version;  // must not be sent again
  std::string nonce;
  TypeStatus status;
  uint64_t changes = 0;  // of what is rejected

 private:
  const std::string type_url_;
  SubscriptionObserver* const observer_;
};

void Subscription::Watch(Names new_names, bool new_wildcard) {
  if (observer_ != nullptr) {
    for (const std::string& name : names) {
      if (!new_names.contains(name)) observer_->OnUnsubscribed(type_url_, name);
    }
    for (const std::string& name : new_names) {
      if (!names.contains(name)) observer_->OnSubscribed(type_url_, name);
    }
    if (wildcard != new_wildcard) observer_->OnWildcard(type_url_, new_wildcard);
  }
  names = std::move(new_names);
  wildcard = new_wildcard;
}

ResourceTable Subscription::Wanted(const View& view, bool keep_old) const {
  ResourceTable wanted;
  const auto add = [&](const std::string& name) {
    auto found = view.Find(type_url_, name);
    if (found.resource != nullptr) wanted.emplace(name, std::move(found.resource));
  };
  if (wildcard) view.ForEach(type_url_, [&](const auto& name, const Resource&) { add(name); });
  for (const std::string& name : names) add(name);
  if (!keep_old && !view.KeepsRemoved()) return wanted;
  for (const auto& entry : sent) {
    if (wildcard || names.contains(entry.first)) wanted.insert(entry);
  }
  return wanted;
}

// FNV-1a over names and versions: equal sets have equal versions in every process.
std::string VersionOf(const ResourceTable& resources) {
  uint64_t hash = 0xcbf29ce484222325u;
  const auto mix = [&hash](std::string_view text) {
    for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
    hash = (hash ^ 0xff) * 0x100000001b3u;
  };
  for (const auto& [name, resource] : resources) {
    mix(name);
    mix(resource->version);
  }
  char text[17];
  std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

class StateSession final : public SubscribedSession<Subscription> {
 public:
  using SubscribedSession::SubscribedSession;
  absl::Status OnRequest(std::string_view bytes) override;
  std::optional<std::string> Next(loop::Instant now) override;

 private:
  void OnAnswer(Subscription& subscription, const DiscoveryRequest& request);
  void OnNames(Subscription& subscription, const DiscoveryRequest& request);
  std::optional<std::string> Respond(std::string_view type, loop::Instant now, bool keep_old);
  void ResendEndpoints(const ResourceTable& before, const ResourceTable& after);
};

absl::Status StateSession::OnRequest(std::string_view bytes) {
  DiscoveryRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return absl::InvalidArgumentError("invalid DiscoveryRequest");
  const auto admitted = Admit(request);
  if (!admitted.ok()) return admitted.status();
  const auto [asked, first] = *admitted;
  if (asked == nullptr) return absl::OkStatus();
  if (const absl::Status status = CheckNames(request.resource_names()); !status.ok()) return status;
  Subscription& subscription = *asked;
  // A nonce of an older response: the client will speak again when it has read the newer one. A
  // nonce on a new stream is one of a former stream.
  if (!first && request.response_nonce() != subscription.nonce) return absl::OkStatus();
  if (!first && !request.response_nonce().empty()) OnAnswer(subscription, request);
  OnNames(subscription, request);
  if (subscription.names.size() > kMostNames)
    return absl::ResourceExhaustedError("too many resource names on one stream");
  return absl::OkStatus();
}

void StateSession::OnAnswer(Subscription& subscription, const DiscoveryRequest& request) {
  if (!pacing_.in_flight(request.type_url())) return;  // a changed list of names repeats the nonce
  pacing_.OnAnswered(request.type_url());
  std::map<std::string, std::string> errors;
  if (request.has_error_detail()) {
    subscription.rejected_version = subscription.version;
    std::vector<std::string> names;
    for (const auto& [name, resource] : subscription.sent) names.push_back(name);
    errors = ErrorsByName(request.error_detail().message(), names);
  }
  if (subscription.rejected() != 0 || !errors.empty()) ++subscription.changes;
  subscription.status.clear();
  for (const auto& [name, resource] : subscription.sent) {
    const auto error = errors.find(name);
    ResourceStatus status{resource->version, Delivery::kAcknowledged, {}};
    if (error != errors.end()) {
      status.delivery = Delivery::kRejected;
      status.error = error->second;
    }
    subscription.status.emplace(name, std::move(status));
  }
}

void StateSession::OnNames(Subscription& subscription, const DiscoveryRequest& request) {
  Names names(request.resource_names().begin(), request.resource_names().end());
  const bool star = names.erase("*") > 0;
  const bool wildcard =
      star || (names.empty() && !subscription.named && HasWildcard(request.type_url()));
  subscription.named |= !names.empty() || star;
  if (names == subscription.names && wildcard == subscription.wildcard) return;
  const bool more = wildcard != subscription.wildcard ||
                    !std::includes(subscription.names.begin(), subscription.names.end(),
                                   names.begin(), names.end());
  subscription.Watch(std::move(names), wildcard);
  subscription.dirty = true;
  // A client that asks for more must be answered even if that changes nothing (two names, one of
  // them missing).
  subscription.must_send |= more;
}

std::optional<std::string> StateSession::Next(loop::Instant now) {
  if (view_ == nullptr) return std::nullopt;
  for (const std::string_view type : kTypesInOrder) {
    if (pacing_.MustWait(type, now)) continue;
    if (auto response = Respond(type, now, type == kClusterType)) return response;
  }
  if (TrafficPending() || !pacing_.TrafficSettled(now)) return std::nullopt;
  return Respond(kClusterType, now, false);
}

std::optional<std::string> StateSession::Respond(std::string_view type, loop::Instant now,
                                                 bool keep_old) {
  const auto found = types_.find(type);
  if (found == types_.end() || !view_->Serves(type)) return std::nullopt;
  Subscription& subscription = found->second;
  if (!subscription.dirty || pacing_.in_flight(type)) return std::nullopt;
  ResourceTable wanted = subscription.Wanted(*view_, keep_old);
  const std::string version = VersionOf(wanted);
  const bool same = version == subscription.version;
  const bool all_told = !keep_old || wanted.size() == subscription.Wanted(*view_, false).size();
  if (all_told) subscription.dirty = false;
  // No names are wanted, or none of them exists: absence is a statement for whole-world types only.
  const bool nothing = wanted.empty() && (!HasWildcard(type) ||
                                          !(subscription.wildcard || !subscription.names.empty()));
  if (nothing || version == subscription.rejected_version || (same && !subscription.must_send))
    return std::nullopt;
  subscription.must_send = false;
  if (type == kClusterType) ResendEndpoints(subscription.sent, wanted);
  subscription.version = version;
  subscription.nonce = NextNonce();
  if (subscription.rejected() != 0) ++subscription.changes;
  std::string response;
  AppendField(response, kVersion, version);
  for (const auto& [name, resource] : wanted) {
    AppendAny(response, kResources, type, resource->bytes);
    subscription.status.insert_or_assign(name,
                                         ResourceStatus{resource->version, Delivery::kSent, {}});
  }
  AppendField(response, kTypeUrl, type);
  AppendField(response, kNonce, subscription.nonce);
  subscription.sent = std::move(wanted);
  pacing_.OnSent(type, now);
  return response;
}

// See DeltaSession: a changed cluster becomes warm with the endpoints that come after it.
void StateSession::ResendEndpoints(const ResourceTable& before, const ResourceTable& after) {
  const auto endpoints = types_.find(kEndpointType);
  if (endpoints == types_.end()) return;
  for (const auto& [name, resource] : after) {
    const auto old = before.find(name);
    if (old != before.end() && old->second->version == resource->version) continue;
    if (!endpoints->second.names.contains(EndpointNameOf(resource->bytes))) continue;
    endpoints->second.dirty = endpoints->second.must_send = true;
    return;
  }
}

}  // namespace

std::unique_ptr<Session> NewStateSession(SubscriptionObserver* observer) {
  return std::make_unique<StateSession>(observer);
}

}  // namespace tulle::xds
