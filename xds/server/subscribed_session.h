#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "envoy/config/core/v3/base.pb.h"
#include "xds/proto/type_urls.h"
#include "xds/server/pacing.h"
#include "xds/server/session.h"

namespace tulle::xds {

// What both dialects keep of one stream: the node, the view, and a subscription for each type.
// `Subscription` is the dialect's: made of type URL and observer, with OnAllChanged(), OnChanged(),
// IsPending(), rejected(), Acknowledged() and Statuses(). For this package only.
template <typename Subscription>
class SubscribedSession : public Session {
 public:
  explicit SubscribedSession(SubscriptionObserver* observer) : observer_(observer) {}

  const envoy::config::core::v3::Node* node() const final {
    return node_.has_value() ? &*node_ : nullptr;
  }

  void SetView(std::shared_ptr<const View> view) final {
    for (auto& [type, subscription] : types_) subscription.OnAllChanged();
    view_ = std::move(view);
  }

  bool OnChanged(std::string_view type_url, const std::string& name) final {
    const auto found = types_.find(type_url);
    return found != types_.end() && found->second.OnChanged(name, view_.get());
  }

  std::optional<loop::Instant> Deadline(loop::Instant now) const override {
    return pacing_.Deadline(now);
  }

  size_t rejected() const final {
    size_t count = 0;
    for (const auto& [type, subscription] : types_) count += subscription.rejected();
    return count;
  }

  std::string Acknowledged(std::string_view type_url, std::string_view name) const final {
    const auto found = types_.find(type_url);
    return found == types_.end() ? std::string() : found->second.Acknowledged(name);
  }

  TypeStatuses Statuses() const final {
    TypeStatuses all;
    for (const auto& [type, subscription] : types_) all.emplace(type, subscription.Statuses());
    return all;
  }

 protected:
  using Types = std::map<std::string, Subscription, std::less<>>;  // by type URL

  // The subscription that the request is about; second: this is the first request of its type on
  // this stream. Not OK: a request that violates the protocol.
  template <typename Request>
  absl::StatusOr<std::pair<Subscription*, bool>> Admit(const Request& request) {
    if (!node_.has_value()) {
      if (request.node().id().empty())
        return absl::InvalidArgumentError("node.id is required in the first request");
      node_ = request.node();
      node_->DiscardUnknownFields();  // Envoy lists hundreds of its extensions
    }
    if (request.type_url().empty()) return absl::InvalidArgumentError("type_url is required");
    const auto [at, first] = types_.try_emplace(request.type_url(), request.type_url(), observer_);
    if (types_.size() > kMostTypes) return absl::ResourceExhaustedError("too many resource types");
    return std::pair(&at->second, first);
  }

  // Listeners or routes have still to be sent.
  bool TrafficPending() const {
    for (const std::string_view type : {kListenerType, kRouteType}) {
      const auto found = types_.find(type);
      if (found == types_.end() || pacing_.in_flight(type)) continue;
      if (found->second.IsPending()) return true;
    }
    return false;
  }

  std::string NextNonce() { return std::to_string(++last_nonce_); }

  std::shared_ptr<const View> view_;  // null: none yet
  Types types_;
  Pacing pacing_;

 private:
  static constexpr size_t kMostTypes = 100;

  std::optional<envoy::config::core::v3::Node> node_;
  SubscriptionObserver* observer_;
  uint64_t last_nonce_ = 0;
};

}  // namespace tulle::xds
