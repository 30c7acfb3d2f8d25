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

// Field numbers of DiscoveryResponse.
constexpr uint32_t kVersion = 1;
constexpr uint32_t kResources = 2;
constexpr uint32_t kTypeUrl = 4;
constexpr uint32_t kNonce = 5;

struct Subscription {
  bool wildcard = false;
  bool named = false;  // explicit names came on this stream: an empty list means none from then on
  bool dirty = true;
  bool must_send = true;  // even the version that was sent last
  std::set<std::string, std::less<>> names;
  // What was sent last; clusters that are to go stay in it until nothing names them.
  ResourceTable sent;
  std::string version;
  std::string rejected;  // version that must not come again
  std::string nonce;
  TypeStatus status;
};

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
  absl::Status OnRequest(std::string_view bytes) override;
  std::optional<std::string> Next(loop::Instant now) override;

 private:
  void OnAnswer(Subscription& subscription, const DiscoveryRequest& request);
  void OnNames(Subscription& subscription, const DiscoveryRequest& request);
  ResourceTable Wanted(const Subscription& subscription, std::string_view type,
                       bool keep_old) const;
  std::optional<std::string> Respond(std::string_view type, loop::Instant now, bool keep_old);
  void ResendEndpoints(const ResourceTable& before, const ResourceTable& after);
};

absl::Status StateSession::OnRequest(std::string_view bytes) {
  DiscoveryRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return absl::InvalidArgumentError("not a DiscoveryRequest");
  const auto admitted = Admit(request);
  if (!admitted.ok()) return admitted.status();
  const auto [asked, first] = *admitted;
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
    subscription.rejected = subscription.version;
    std::vector<std::string> names;
    for (const auto& [name, resource] : subscription.sent) names.push_back(name);
    errors = ErrorsByName(request.error_detail().message(), names);
  }
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
  std::set<std::string, std::less<>> names(request.resource_names().begin(),
                                           request.resource_names().end());
  const bool star = names.erase("*") > 0;
  const bool wildcard =
      star || (names.empty() && !subscription.named && HasWildcard(request.type_url()));
  subscription.named |= !names.empty() || star;
  if (names == subscription.names && wildcard == subscription.wildcard) return;
  const bool more = wildcard != subscription.wildcard ||
                    !std::includes(subscription.names.begin(), subscription.names.end(),
                                   names.begin(), names.end());
  subscription.names = std::move(names);
  subscription.wildcard = wildcard;
  subscription.dirty = true;
  // Who asks for more must be answered even where it changes nothing (two names, one missing).
  subscription.must_send |= more;
}

ResourceTable StateSession::Wanted(const Subscription& subscription, std::string_view type,
                                   bool keep_old) const {
  const ResourceTable& table = *view_->TableOf(type);
  ResourceTable wanted;
  if (subscription.wildcard) {
    wanted = table;
  } else {
    for (const std::string& name : subscription.names) {
      const auto found = table.find(name);
      if (found != table.end()) wanted.insert(*found);
    }
  }
  if (!keep_old) return wanted;
  for (const auto& entry : subscription.sent) {
    if (subscription.wildcard || subscription.names.contains(entry.first)) wanted.insert(entry);
  }
  return wanted;
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
  if (found == types_.end() || view_->TableOf(type) == nullptr) return std::nullopt;
  Subscription& subscription = found->second;
  if (!subscription.dirty || pacing_.in_flight(type)) return std::nullopt;
  ResourceTable wanted = Wanted(subscription, type, keep_old);
  const std::string version = VersionOf(wanted);
  const bool same = version == subscription.version;
  const bool all_told = !keep_old || wanted.size() == Wanted(subscription, type, false).size();
  if (all_told) subscription.dirty = false;
  // No names are wanted, or none of them exists: absence is a statement for whole-world types only.
  const bool nothing = wanted.empty() && (!HasWildcard(type) ||
                                          !(subscription.wildcard || !subscription.names.empty()));
  if (nothing || version == subscription.rejected || (same && !subscription.must_send))
    return std::nullopt;
  subscription.must_send = false;
  if (type == kClusterType) ResendEndpoints(subscription.sent, wanted);
  subscription.version = version;
  subscription.nonce = NextNonce();
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

std::unique_ptr<Session> NewStateSession() { return std::make_unique<StateSession>(); }

}  // namespace tulle::xds
