#include <algorithm>
#include <utility>
#include <vector>

#include "envoy/service/discovery/v3/discovery.pb.h"
#include "google/rpc/status.pb.h"
#include "xds/proto/type_urls.h"
#include "xds/server/delta_subscription.h"
#include "xds/server/miss_budget.h"
#include "xds/server/rejection.h"
#include "xds/server/subscribed_session.h"
#include "xds/server/wire.h"

namespace tulle::xds {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;

class DeltaSession final : public SubscribedSession<DeltaSubscription> {
 public:
  using SubscribedSession::SubscribedSession;
  absl::Status OnRequest(std::string_view bytes) override;
  std::optional<std::string> Next(loop::Instant now) override;
  std::optional<loop::Instant> Deadline(loop::Instant now) const override;

 private:
  void Answer(DeltaSubscription& subscription, const DeltaDiscoveryRequest& request);
  static void Subscribe(DeltaSubscription& subscription, const DeltaDiscoveryRequest& request,
                        bool is_first);
  std::optional<std::string> Respond(std::string_view type, loop::Instant now, bool removals);
  void ResendEndpointsOf(const Resource& cluster);

  // Of the response in flight.
  std::map<std::string, std::string, std::less<>> nonces_;  // by type URL
  MissBudget misses_;
};

absl::Status DeltaSession::OnRequest(std::string_view bytes) {
  DeltaDiscoveryRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return absl::InvalidArgumentError("invalid DeltaDiscoveryRequest");
  const auto admitted = Admit(request);
  if (!admitted.ok()) return admitted.status();
  const auto [subscription, is_first] = *admitted;
  if (subscription == nullptr) return absl::OkStatus();
  if (const absl::Status status = CheckNames(request.resource_names_subscribe()); !status.ok())
    return status;
  if (request.initial_resource_versions_size() > static_cast<int>(kMostNames))
    return absl::ResourceExhaustedError("too many initial resource versions");
  if (!request.response_nonce().empty()) Answer(*subscription, request);
  Subscribe(*subscription, request, is_first);
  const auto& unsubscribed = request.resource_names_unsubscribe();
  subscription->Unsubscribe({unsubscribed.begin(), unsubscribed.end()}, view_.get());
  if (subscription->names() > kMostNames)
    return absl::ResourceExhaustedError("too many resource names on one stream");
  return absl::OkStatus();
}

void DeltaSession::Answer(DeltaSubscription& subscription, const DeltaDiscoveryRequest& request) {
  const auto nonce = nonces_.find(request.type_url());
  if (nonce == nonces_.end() || nonce->second != request.response_nonce()) return;
  nonces_.erase(nonce);
  pacing_.OnAnswered(request.type_url());
  subscription.OnAnswer(request.has_error_detail() ? &request.error_detail().message() : nullptr);
}

void DeltaSession::Subscribe(DeltaSubscription& subscription, const DeltaDiscoveryRequest& request,
                             bool is_first) {
  if (is_first) {
    for (const auto& [name, version] : request.initial_resource_versions()) {
      subscription.OnHeld(name, version);
    }
    if (HasWildcard(request.type_url()) && request.resource_names_subscribe().empty()) {
      subscription.SubscribeToAll();
    }
  }
  for (const std::string& name : request.resource_names_subscribe()) {
    if (name == "*") {
      subscription.SubscribeToAll();
    } else {
      subscription.Subscribe(name, is_first);
    }
  }
}

std::optional<std::string> DeltaSession::Next(loop::Instant now) {
  if (view_ == nullptr) return std::nullopt;
  for (const std::string_view type : kTypesInOrder) {
    // What listeners and routes still name must not go before they have changed.
    const bool is_late = type == kClusterType || type == kEndpointType;
    if (pacing_.MustWait(type, now)) continue;
    if (auto response = Respond(type, now, !is_late)) return response;
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
  if (found == types_.end() || !view_->Serves(type)) return std::nullopt;
  if (!found->second.IsPending() || pacing_.in_flight(type)) return std::nullopt;
  std::string response;
  std::vector<std::shared_ptr<const Resource>> sent;
  MissBudget* budget = type == kListenerType ? &misses_ : nullptr;
  if (!found->second.Fill(*view_, removals, now, budget, &response, &sent)) return std::nullopt;
  if (type == kClusterType) {
    for (const auto& cluster : sent) ResendEndpointsOf(*cluster);
  }
  const std::string nonce = NextNonce();
  AppendField(response, kTypeUrl, type);
  AppendField(response, kNonce, nonce);
  nonces_.insert_or_assign(std::string(type), nonce);
  pacing_.OnSent(type, now);
  return response;
}

std::optional<loop::Instant> DeltaSession::Deadline(loop::Instant now) const {
  const std::optional<loop::Instant> paced = SubscribedSession::Deadline(now);
  std::optional<loop::Instant> missed = misses_.Deadline();
  // Past: what is late waits for something else, like the answer to what is in flight.
  if (missed && *missed <= now) missed.reset();
  if (!paced || !missed) return paced ? paced : missed;
  return std::min(*paced, *missed);
}

// Envoy warms a changed cluster only when its endpoints come after it, even if they are unchanged
// and it does not ask for them.
void DeltaSession::ResendEndpointsOf(const Resource& cluster) {
  const auto endpoints = types_.find(kEndpointType);
  if (endpoints == types_.end()) return;
  endpoints->second.Resend(EndpointNameOf(cluster.bytes));
}

}  // namespace

std::unique_ptr<Session> NewDeltaSession(SubscriptionObserver* observer) {
  return std::make_unique<DeltaSession>(observer);
}

}  // namespace tulle::xds
