#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "envoy/config/core/v3/base.pb.h"
#include "xds/proto/type_urls.h"
#include "xds/server/pacing.h"
#include "xds/server/session.h"

namespace tulle::xds {

// What both dialects keep of one stream: the node, the view, and a subscription for each type.
// `Subscription` is the dialect's: made of type URL and observer, with OnAllChanged(), OnChanged(),
// Resend(), IsPending(), rejected(), rejection_changes(), Acknowledged() and ForEach(). For this
// package only.
template <typename Subscription>
class SubscribedSession : public Session {
 public:
  explicit SubscribedSession(SubscriptionObserver* observer) : observer_(observer) {}

  const envoy::config::core::v3::Node* node() const final {
    return node_.has_value() ? &*node_ : nullptr;
  }
  const View* view() const final { return view_.get(); }

  void SetView(std::shared_ptr<const View> view) final {
    for (auto& [type, subscription] : types_) subscription.OnAllChanged();
    view_ = std::move(view);
  }

  bool OnChanged(std::string_view type_url, const std::string& name) final {
    const auto found = types_.find(type_url);
    return found != types_.end() && found->second.OnChanged(name, view_.get());
  }

  bool Resend(std::string_view type_url, const std::string& name) final {
    const auto found = types_.find(type_url);
    return found != types_.end() && found->second.Resend(name);
  }

  std::optional<loop::Instant> Deadline(loop::Instant now) const override {
    return pacing_.Deadline(now);
  }

  bool IsSynced() const final {
    if (view_ == nullptr || !types_.contains(kListenerType)) return false;
    return std::all_of(types_.begin(), types_.end(), [this](const auto& entry) {
      const auto& [type, subscription] = entry;
      if (!view_->Serves(type)) return true;
      return !subscription.IsPending() && !pacing_.in_flight(type) && subscription.rejected() == 0;
    });
  }

  uint64_t rejection_changes() const final {
    uint64_t changes = 0;
    for (const auto& [type, subscription] : types_) changes += subscription.rejection_changes();
    return changes;
  }

  std::string Acknowledged(std::string_view type_url, std::string_view name) const final {
    const auto found = types_.find(type_url);
    return found == types_.end() ? std::string() : found->second.Acknowledged(name);
  }

  std::vector<std::string_view> RequestedTypes() const final {
    std::vector<std::string_view> types;
    for (const auto& [type, subscription] : types_) types.push_back(type);
    return types;
  }

  void ForEach(std::string_view type_url, const Visit& visit) const final {
    const auto found = types_.find(type_url);
    if (found != types_.end()) found->second.ForEach(visit);
  }

 protected:
  using Types = std::map<std::string, Subscription, std::less<>>;  // by type URL

  // The subscription that the request is about, null: of a type that is not served; second: this is
  // the first request of its type on this stream. Not OK: a request that violates the protocol.
  template <typename Request>
  absl::StatusOr<std::pair<Subscription*, bool>> Admit(const Request& request) {
    if (!node_.has_value()) {
      if (request.node().id().empty())
        return absl::InvalidArgumentError("node.id is required in the first request");
      node_ = request.node();
      node_->DiscardUnknownFields();  // Envoy lists hundreds of its extensions
    }
    if (request.type_url().empty()) return absl::InvalidArgumentError("type_url is required");
    const bool is_served = std::find(kTypesInOrder.begin(), kTypesInOrder.end(),
                                     request.type_url()) != kTypesInOrder.end();
    if (!is_served) return std::pair(static_cast<Subscription*>(nullptr), true);
    const auto [at, first] = types_.try_emplace(request.type_url(), request.type_url(), observer_);
    return std::pair(&at->second, first);
  }

  // A client may not make the server remember names of any length.
  template <typename Names>
  static absl::Status CheckNames(const Names& names) {
    const bool are_short = std::all_of(names.begin(), names.end(), [](const std::string& name) {
      return name.size() <= kLongestName;
    });
    if (are_short) return absl::OkStatus();
    return absl::InvalidArgumentError("a resource name is longer than 1024 bytes");
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
  std::optional<envoy::config::core::v3::Node> node_;
  SubscriptionObserver* observer_;
  uint64_t last_nonce_ = 0;
};

}  // namespace tulle::xds
