#include "sidecar/membership/breaker_report.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

namespace tulle::sidecar {

BreakerReport::BreakerReport(loop::Loop& loop, std::function<uint32_t()> changes,
                             std::function<void(const Visitor&)> visit)
    : loop_(loop), changes_(std::move(changes)), visit_(std::move(visit)) {}

// A new lease has no list in the control plane, and neither has a control plane that was started
// again.
void BreakerReport::Begin() { told_ = {}; }

void BreakerReport::Look() {
  const uint32_t changes = changes_();
  // A cluster with an open breaker may also have been removed.
  if (changes == seen_ && current_.count == 0) return;
  seen_ = changes;
  current_ = {};
  visit_([this](const upstream::ClusterSpec& cluster, upstream::ClusterLimits& limits) {
    if (!cluster.breaker) return;
    limits.endpoints.ForEach(
        [&](const SocketAddress& address, const upstream::SharedEndpoint& endpoint) {
          if (endpoint.breaker.state() == upstream::BreakerState::kClosed) return;
          if (++current_.count > kMostItems) return;
          current_.items.push_back(
              {cluster.name, address, endpoint.breaker.opened_at(), endpoint.opened_by.load()});
        });
  });
}

void BreakerReport::AddTo(registry::v1::HeartbeatRequest& request) {
  Look();
  if (current_ == told_) return;
  registry::v1::OpenBreakers& list = *request.mutable_breakers();
  list.set_count(current_.count);
  for (const Item& item : current_.items) {
    registry::v1::OpenBreaker& each = *list.add_items();
    each.set_cluster(item.cluster);
    each.set_endpoint(item.endpoint.ToString());
    const auto open_for =
        std::chrono::duration_cast<std::chrono::seconds>(loop_.Now() - item.since);
    each.set_seconds(static_cast<uint32_t>(std::max<int64_t>(open_for.count(), 0)));
    each.set_cause(item.cause.is_none() ? "error_response" : std::string(item.cause.facts().cause));
  }
}

}  // namespace tulle::sidecar
