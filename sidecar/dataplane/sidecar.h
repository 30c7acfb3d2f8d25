#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "net/loop/loop.h"
#include "net/tls/secure_transports.h"
#include "sidecar/config/snapshot.h"
#include "sidecar/config/snapshot_loader.h"
#include "sidecar/dataplane/draining.h"
#include "sidecar/dataplane/remote_worker.h"
#include "sidecar/dataplane/rollout.h"
#include "sidecar/dataplane/worker.h"
#include "sidecar/policy/rule_spec.h"
#include "sidecar/upstream/health_checks.h"

namespace tulle::sidecar {

// The data plane of one workload: loads configuration on the main thread into a snapshot, and hands
// each version to the workers. Owner: Process, or a simulation. Thread: main.
class Sidecar {
 public:
  struct Options {
    int workers = 1;
    std::function<std::unique_ptr<RemoteWorker>(int index)> new_worker;
  };

  Sidecar(loop::Loop& main, const tls::SecureTransports& transports, Options options);
  ~Sidecar();

  config::SnapshotLoader& loader() { return loader_; }
  // Limits the downstream connections of all workers together. Before the first Publish.
  void LimitDownstream(uint64_t connections);
  // Hands the loader's current snapshot to the workers, if it changed. Call it after each batch of
  // changes. `source`: what changed last, for the flight recorder.
  void Publish(std::string_view source = "");
  // The newest snapshot that every worker has applied. Null: none yet.
  const config::Snapshot* in_force() const {
    return rollout_.in_force() == nullptr ? nullptr : rollout_.in_force()->snapshot.get();
  }
  // The listeners of that version that cannot listen (a port in use). They are tried again.
  const std::vector<ListenerError>& errors() const { return rollout_.errors(); }
  // All listeners accept, or have done so before.
  bool ready() const { return rollout_.ready(); }
  // Runs before the loader is asked for its snapshot.
  void OnBeforePublish(std::function<void()> callback) { before_publish_ = std::move(callback); }
  // Runs when all workers have applied a version, and when its errors have changed.
  void OnVersionInForce(std::function<void()> callback) { on_in_force_ = std::move(callback); }

  // The identity that workers put into logs, metrics and spans.
  void SetOwnWorkload(const proxy::Workload& own);

  // Visits each cluster of the published snapshot with the use of its limits.
  using LimitsVisitor = std::function<void(const upstream::ClusterSpec&, upstream::ClusterLimits&)>;
  void VisitLimits(const LimitsVisitor& visit);
  // See LimitsTable.
  uint32_t breaker_changes() const { return limits_.breaker_changes(); }

  // Listeners of unknown destinations are fetched: `ask` runs on the main thread, possibly more
  // than once for the same destination; AnswerDestination, or a version with the listener, follows.
  void ServeOnDemand(std::vector<policy::Cidr> mesh_ranges,
                     std::function<void(const SocketAddress&)> ask);
  void AnswerDestination(const SocketAddress& destination, proxy::DestinationAnswer answer);
  // Names of the listeners that accepted connections on any worker since the last call.
  void TakeUsedListeners(std::function<void(std::set<std::string>)> done);

  // What would happen to that request, as one worker sees it. `done` runs later, on the main
  // thread, unless this ends before.
  void Rehearse(proxy::RehearsedRequest request,
                std::function<void(const proxy::RehearsalOutcome&)> done);

  // Downstream connections are told to go away, and configuration removes nothing any more.
  void AnnounceEnd();
  // Announces the end, and closes listeners once no connection has come for `quiet`. `done` runs
  // when no request is left, or `grace` is over. The latest call counts.
  void Drain(loop::Duration grace, loop::Duration quiet, std::function<void()> done);
  bool draining() const { return ending_; }

 private:
  void CheckHealth(const Version& version);

  loop::Loop& main_;
  config::SnapshotLoader loader_;
  LimitsTable limits_;
  upstream::HealthChecks health_checks_;
  std::shared_ptr<proxy::DownstreamLimit> downstream_limit_;
  std::shared_ptr<const config::Snapshot> published_;
  uint64_t versions_ = 0;  // published so far
  std::vector<std::unique_ptr<RemoteWorker>> workers_;
  std::function<void()> on_in_force_;
  Rollout rollout_;
  std::function<void()> before_publish_;
  std::unique_ptr<loop::Timer> waiting_timer_;  // for resources that wait for others
  Draining draining_;
  bool ending_ = false;
};

}  // namespace tulle::sidecar
