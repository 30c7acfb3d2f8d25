#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "net/base/failure.h"
#include "net/base/socket_address.h"
#include "net/loop/loop.h"
#include "sidecar/upstream/admission.h"
#include "sidecar/upstream/cluster_spec.h"
#include "tulle/registry/v1/registry.pb.h"

namespace tulle::sidecar {

// Tells the control plane, with the heartbeats, which circuit breakers are open: the list if it has
// changed since the last heartbeat that was answered, else nothing. While no breaker is open a
// heartbeat costs one comparison. At most kMostItems are listed, and all are counted.
//
// Call order: Begin (AddTo Confirm?)*. Owner: Membership. Thread: main.
class BreakerReport {
 public:
  static constexpr size_t kMostItems = 64;

  using Visitor = std::function<void(const upstream::ClusterSpec&, upstream::ClusterLimits&)>;
  // `changes` grows when a breaker changes; `visit` shows each cluster. Both as in Sidecar.
  BreakerReport(loop::Loop& loop, std::function<uint32_t()> changes,
                std::function<void(const Visitor&)> visit);

  // A connection or a lease begins: nothing has been told on it.
  void Begin();
  void AddTo(registry::v1::HeartbeatRequest& request);
  // The request of the last AddTo was answered.
  void Confirm() { told_ = current_; }

 private:
  struct Item {
    std::string cluster;
    SocketAddress endpoint;
    loop::Instant since;
    FailureKind cause;
    bool operator==(const Item&) const = default;
  };
  struct List {
    uint32_t count = 0;
    std::vector<Item> items;
    bool operator==(const List&) const = default;
  };

  void Look();

  loop::Loop& loop_;
  std::function<uint32_t()> changes_;
  std::function<void(const Visitor&)> visit_;
  uint32_t seen_ = 0;  // value of changes_
  List current_;
  List told_;
};

}  // namespace tulle::sidecar
