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

// What both dialects keep of one stream: who speaks, the view, and what was asked for by type.
// `Subscription` is the dialect's; it has `dirty` (there may be something to send) and `status`.
// For this package only.
template <typename Subscription>
class SubscribedSession : public Session {
 public:
  const envoy::config::core::v3::Node* node() const final {
    return node_.has_value() ? &*node_ : nullptr;
  }

  void SetView(std::shared_ptr<const View> view) final {
    for (auto& [type, subscription] : types_) {
      const ResourceTable* before = view_ == nullptr ? nullptr : view_->TableOf(type);
      if (before != view->TableOf(type)) subscription.dirty = true;
    }
    view_ = std::move(view);
  }

  std::optional<loop::Instant> Deadline(loop::Instant now) const override {
    return pacing_.Deadline(now);
  }

  std::map<std::string, TypeStatus, std::less<>> Statuses() const final {
    std::map<std::string, TypeStatus, std::less<>> all;
    for (const auto& [type, subscription] : types_) all.emplace(type, subscription.status);
    return all;
  }

 protected:
  using Types = std::map<std::string, Subscription, std::less<>>;  // by type URL

  // What the request is about; second: it is the first of its type on this stream. Not OK: a
  // request that no client of the protocol sends.
  template <typename Request>
  absl::StatusOr<std::pair<Subscription*, bool>> Admit(const Request& request) {
    if (!node_.has_value()) {
      if (request.node().id().empty())
        return absl::InvalidArgumentError("the first request must carry node.id");
      node_ = request.node();
    }
    if (request.type_url().empty()) return absl::InvalidArgumentError("type_url is missing");
    const auto [at, first] = types_.try_emplace(request.type_url());
    if (types_.size() > kMostTypes) return absl::ResourceExhaustedError("too many resource types");
    return std::pair(&at->second, first);
  }

  // Listeners or routes are to go out yet.
  bool TrafficPending() const {
    for (const std::string_view type : {kListenerType, kRouteType}) {
      const auto found = types_.find(type);
      if (found == types_.end() || pacing_.in_flight(type)) continue;
      if (found->second.dirty) return true;
    }
    return false;
  }

  std::string NextNonce() { return std::to_string(++nonces_); }

  std::shared_ptr<const View> view_;  // null: none yet
  Types types_;
  Pacing pacing_;

 private:
  static constexpr size_t kMostTypes = 100;

  std::optional<envoy::config::core::v3::Node> node_;
  uint64_t nonces_ = 0;
};

}  // namespace tulle::xds
