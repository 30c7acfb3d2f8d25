// Elects one of the replicas of the control plane: who holds Lease `tulle-control` writes what all
// of them share (ConfigMaps, caBundle, status of routes, steps of a rotation).
//
// As client-go does it: the holder renews every 2 s, and gives up if that has failed for 10 s;
// others take the Lease over when it has not changed for 15 s by their own clock. Times in the
// object are for people: clocks of replicas may differ. Each write names the version that it was
// made for.
//
// Owner: KubernetesLink. Thread: the loop's. Order: Start() once. Errors are logged and tried
// again. Source: Kubernetes, coordination.k8s.io/v1; client-go, tools/leaderelection.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "control-plane/kubernetes/problem_log.h"
#include "k8s/api/client.h"
#include "k8s/api/json.h"
#include "net/loop/loop.h"
#include "telemetry/log.h"

namespace tulle::kubernetes {

class LeaderLease {
 public:
  struct Options {
    std::string identity;  // of this process alone
    loop::Duration duration = std::chrono::seconds(15);
    loop::Duration renew_deadline = std::chrono::seconds(10);
    loop::Duration retry = std::chrono::seconds(2);
    std::function<void(const k8s::Json& lease)> on_read = {};  // may be unset
  };
  // References outlive this. `on_change`: is_leader() is another one.
  LeaderLease(loop::Loop& loop, k8s::Client& client, telemetry::Log& log, Options options,
              std::function<void()> on_change);

  void Start() { Attempt(); }
  // Of the Lease, at the API server.
  static std::string Path();
  // Before the end of the process: gives the Lease up, so that another one need not wait until it
  // ends. `done` runs when that is written, or has failed; at once if this is not the leader.
  void Release(std::function<void()> done);
  // False at the latest when the deadline has passed, even if the loop is late.
  bool is_leader() const { return is_leader_ && loop_.Now() < valid_until_; }
  uint64_t changes() const { return changes_; }  // of is_leader(), since the start

 private:
  // Reads the Lease, and writes it if it may.
  void Attempt();
  void OnRead(const k8s::Answer& answer);
  void OnWritten(const k8s::Answer& answer, loop::Instant sent);
  void Write(const k8s::Json& lease);
  k8s::Json NewSpec(const k8s::Json& old) const;
  bool MayTake(const k8s::Json& spec) const;
  void Finish();
  void Set(bool is_leader, const std::string& why);
  std::string MicroTime() const;

  loop::Loop& loop_;
  k8s::Client& client_;
  telemetry::Log& log_;
  const Options options_;
  const std::function<void()> on_change_;
  ProblemLog problems_;
  std::unique_ptr<k8s::Call> call_;
  std::unique_ptr<loop::Timer> next_;
  std::unique_ptr<loop::Timer> deadline_;  // of the renewal
  std::string version_;                    // as last read or written
  k8s::Json observed_;                     // its spec as last read
  loop::Instant observed_at_{};            // since when it is so
  loop::Instant valid_until_{};
  bool is_leader_ = false;
  uint64_t changes_ = 0;
};

}  // namespace tulle::kubernetes
