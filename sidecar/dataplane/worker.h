#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/functional/any_invocable.h"
#include "net/loop/deadlines.h"
#include "net/loop/loop.h"
#include "sidecar/config/snapshot.h"
#include "sidecar/proxy/active_listener.h"
#include "sidecar/proxy/destinations.h"
#include "sidecar/proxy/http_chain.h"
#include "sidecar/proxy/mirror.h"
#include "sidecar/proxy/rehearsal.h"
#include "sidecar/proxy/services.h"
#include "sidecar/upstream/cluster_table.h"

namespace tulle::sidecar {

// The counters of circuit breaker limits, one set per cluster name, shared by all workers. Owner:
// Sidecar. Thread: main, which hands them to workers.
class LimitsTable {
 public:
  explicit LimitsTable(int workers) : workers_(workers) {}
  std::shared_ptr<upstream::ClusterLimits> For(const std::string& cluster);
  // Grows when a circuit breaker of any cluster opens or ends a trial.
  uint32_t breaker_changes() const { return breaker_changes_->load(std::memory_order_acquire); }

 private:
  const int workers_;
  const std::shared_ptr<std::atomic<uint32_t>> breaker_changes_ =
      std::make_shared<std::atomic<uint32_t>>(0);
  absl::btree_map<std::string, std::weak_ptr<upstream::ClusterLimits>> limits_;
};

// One version of the configuration as workers receive it: the snapshot, and the limits of its
// clusters.
struct Version {
  std::shared_ptr<const config::Snapshot> snapshot;
  absl::btree_map<std::string, std::shared_ptr<upstream::ClusterLimits>> limits;
  std::shared_ptr<proxy::DownstreamLimit> downstream;  // null: no limit; the same in all versions
  std::string name = {};                               // tells it from others
};

// A listener that cannot listen. One that changed its address still listens on the former one.
struct ListenerError {
  std::string listener;
  std::string reason;  // with what to do, such as "cannot listen on 127.0.0.1:80: ..."

  std::string ToText() const { return "listener " + listener + ": " + reason; }
  bool operator==(const ListenerError&) const = default;
};

std::shared_ptr<const Version> MakeVersion(
    std::shared_ptr<const config::Snapshot> snapshot, LimitsTable& limits,
    std::shared_ptr<proxy::DownstreamLimit> downstream = nullptr, std::string name = "");

// The data path of one thread: listeners, connections, clusters and pools. Has no thread of its
// own, so that several can share one in the simulator. Owner: WorkerThread, or a simulation.
// Thread: the loop's.
class Worker {
 public:
  // `memory` may be null: no memory limit is known.
  Worker(loop::Loop& loop, proxy::Observer& observer,
         const proxy::SharedMemoryPressure* memory = nullptr);
  ~Worker();

  // Applies a version, or the same one again: then listeners that could not listen are tried again,
  // and the rest is left as it is. Specs that are the same object are left alone. Make before
  // break: clusters, endpoints and routes first, then listeners, then removals. Returns an error
  // for each part that could not be applied (an address in use).
  std::vector<ListenerError> Apply(std::shared_ptr<const Version> version);
  // See proxy::Services; before the first listener.
  void ShowCauses() { services_.shows_causes = true; }
  // The own identity, after the first or a new certificate.
  void SetOwnWorkload(const proxy::Workload& own) { services_.observer.OnOwnWorkload(own); }
  // See proxy::Observer.
  void DropRetiredSeries() { services_.observer.OnSeriesRetired(); }
  // From now on listeners of unknown destinations are fetched.
  void ServeOnDemand(proxy::Destinations::OnDemand on_demand) {
    destinations_.Serve(std::move(on_demand));
  }
  void AnswerDestination(const SocketAddress& destination, proxy::DestinationAnswer answer) {
    destinations_.Answer(destination, answer);
  }
  // Names of the listeners that accepted connections since the last call.
  std::set<std::string> TakeUsedListeners();
  // What would happen to that request, with the configuration that is in force here.
  proxy::RehearsalOutcome Rehearse(const proxy::RehearsedRequest& request);
  // The process is about to end: downstream connections are told to go away, and from now on no
  // version removes anything or changes inbound listeners.
  void AnnounceEnd();
  // Called repeatedly after that. Inbound listeners close once no connection has come for `quiet`;
  // outbound ones stay until the own application has sent no request for that long. True: done.
  bool ContinueEnd(loop::Duration quiet);
  // Ends the request that holds the most memory, if it holds much.
  void EndLargest();
  // Closes all connections and listeners.
  void Close();

  upstream::ClusterTable& clusters() { return clusters_; }
  Slab& slab() { return loop_.slab(); }
  const std::vector<std::unique_ptr<proxy::ActiveListener>>& listeners() const {
    return listeners_;
  }

 private:
  void ApplyClusters(const Version& next);
  void ApplyRoutes(const config::Snapshot& next);
  void ApplyListeners(const config::Snapshot& next, std::vector<ListenerError>& errors);
  void RemoveGone(const config::Snapshot& next);
  proxy::ActiveListener* FindListener(std::string_view name);
  void Retire(std::unique_ptr<proxy::ActiveListener> listener);

  loop::Loop& loop_;
  loop::Deadlines deadlines_;
  upstream::ClusterTable clusters_;
  proxy::RouteSlots routes_;
  proxy::Destinations destinations_;
  proxy::Services services_;
  proxy::Mirrors mirrors_;
  std::shared_ptr<const Version> version_;
  std::vector<std::unique_ptr<proxy::ActiveListener>> listeners_;
  std::vector<std::unique_ptr<proxy::ActiveListener>> draining_;
  bool ending_ = false;
  uint64_t own_requests_ = 0;  // seen by ContinueEnd
  loop::Instant own_quiet_since_{};
};

}  // namespace tulle::sidecar
