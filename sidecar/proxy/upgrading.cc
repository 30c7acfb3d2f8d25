// A request that asks for another protocol on its connection, such as WebSocket, is one like the
// others until it is answered with 101. From then on bytes go both ways, each to its own end.

#include <algorithm>

#include "sidecar/config/listener_spec.h"
#include "sidecar/proxy/downstream_connection.h"
#include "sidecar/proxy/exchange.h"
#include "sidecar/route/upgrade.h"

namespace tulle::proxy {

bool Exchange::UpgradeRefused() const {
  const route::ForwardSpec* forward = route_ == nullptr ? nullptr : route_->forward();
  std::span<const route::UpgradeSpec> of_route;
  if (forward != nullptr) of_route = forward->upgrades;
  return !route::MayUpgrade(request_->upgrade, chain_.spec.upgrades, of_route);
}

// How long an answer may take is no matter any more; silence and length are.
void Exchange::OpenBothWays() {
  upgraded_ = true;
  request_deadline_.Clear();
  request_ended_ = request_sent_ = false;
  PullRequest();
}

void Exchange::OnBytes(Buffer& data, bool end) {
  const size_t size = data.size();
  record_.request_bytes += size;
  request_credit_ -= std::min(request_credit_, size);
  request_ended_ = end;
  TouchIdle();
  SendRequestBody(data, end);
  if (end && response_ended_) return Finish();
  PullRequest();
}

}  // namespace tulle::proxy
