#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "net/loop/loop.h"
#include "net/tls/secure_transports.h"
#include "sidecar/config/snapshot.h"
#include "sidecar/config/snapshot_loader.h"
#include "sidecar/policy/rule_spec.h"
#include "sidecar/remote_worker.h"
#include "sidecar/upstream/health_checks.h"
#include "sidecar/worker.h"

namespace tulle::sidecar {

// The data plane of one workload: configuration comes in on the main thread, is loaded into a
// snapshot, and goes to workers. Owner: Process, or a simulation. Thread: main.
class Sidecar {
 public:
  struct Options {
    int workers = 1;
    std::function<std::unique_ptr<RemoteWorker>(int index)> new_worker;
  };

  Sidecar(loop::Loop& main, const tls::SecureTransports& transports, Options options);
  ~Sidecar();

  config::SnapshotLoader& loader() { return loader_; }
  // At most this many connections may call us at once. Before the first Publish.
  void LimitDownstream(uint64_t connections);
  // Hands what the loader holds now to the workers, if it changed. Called after each batch of
  // changes to the loader.
  void Publish();
  // What is in force on every worker, the newest: its listeners accept. Null: nothing yet.
  const config::Snapshot* in_force() const { return in_force_.get(); }
  bool ready() const { return in_force_ != nullptr; }
  // What workers could not do at the last version (a port in use), each text once.
  const std::vector<std::string>& errors() const { return errors_; }
  // Runs before the loader is asked for what goes to the workers.
  void OnBeforePublish(std::function<void()> callback) { before_publish_ = std::move(callback); }
  // Runs when a version is in force on all workers.
  void OnVersionInForce(std::function<void()> callback) { on_in_force_ = std::move(callback); }

  // Who this is, for what workers tell of it.
  void SetOwnWorkload(const proxy::OwnWorkload& own);

  // Each cluster in force, with what is used of its caps.
  using LimitsVisitor = std::function<void(const upstream::ClusterSpec&, upstream::ClusterLimits&)>;
  void VisitLimits(const LimitsVisitor& visit);

  // Listeners of unknown destinations are asked for: `ask` runs on the main thread, perhaps again
  // for what was asked already; AnswerDestination, or a version with the listener, follows.
  void ServeOnDemand(std::vector<policy::Cidr> mesh_ranges,
                     std::function<void(const SocketAddress&)> ask);
  void AnswerDestination(const SocketAddress& destination, proxy::DestinationAnswer answer);
  // Names of the listeners to which connections have come on any worker since this was asked last.
  void TakeUsedListeners(std::function<void(std::set<std::string>)> done);

  // Who calls us is told to go elsewhere, and configuration takes nothing away any more.
  void AnnounceEnd();
  // Then listeners close when nobody has come for `quiet`, and the application's own calls end.
  // `done` runs when no request is left, or `grace` is over. The latest call counts.
  void Drain(loop::Duration grace, loop::Duration quiet, std::function<void()> done);
  bool draining() const { return ending_; }

 private:
  void CheckHealth(const Version& version);
  void OnApplied(uint64_t version, std::vector<std::string> errors);
  void CheckDrained();

  loop::Loop& main_;
  const Options options_;
  config::SnapshotLoader loader_;
  LimitsTable limits_;
  upstream::HealthChecks health_checks_;
  std::shared_ptr<proxy::DownstreamLimit> downstream_limit_;
  std::shared_ptr<const config::Snapshot> published_;
  std::shared_ptr<const config::Snapshot> in_force_;
  std::vector<std::unique_ptr<RemoteWorker>> workers_;
  uint64_t version_ = 0;
  int waiting_for_ = 0;  // workers that have not applied version_
  std::vector<std::string> errors_;
  std::function<void()> on_in_force_;
  std::function<void()> before_publish_;
  std::unique_ptr<loop::Timer> waiting_timer_;  // for resources that wait for others
  std::unique_ptr<loop::Timer> drain_timer_;
  loop::Instant drain_end_{};
  loop::Duration drain_quiet_{};
  bool ending_ = false;
  std::function<void()> on_drained_;
};

}  // namespace tulle::sidecar
