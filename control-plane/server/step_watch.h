// Takes a rotation of the root from step to step where several replicas of the control plane share
// the roots. Each replica runs one: it counts which of the cluster's pods are connected to it and
// ready for the next step, says so to the others, and tells the leader's RootRotation when what all
// say together covers all pods.
//
// Nothing counts until a step has settled: by then every other replica has adopted it, or has
// noticed that its view may be outdated (kubernetes/roots_freshness.h), so that no sidecar gets
// earlier roots or certificates any more. Then sidecars are sent the roots once more; an
// acknowledgement of these also proves that the sidecar is still connected here.
//
// No replica knows which pods are connected nowhere. They are not waited for any more when all
// certificates have ended that were issued before the step had settled: then each replica says
// whether it waits for a pod that is connected to it. See docs/decisions/0029.
//
// Owner: ControlServer. Thread: the loop's.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "control-plane/ca/mesh_authority.h"
#include "control-plane/ca/step_agreement.h"
#include "control-plane/kubernetes/problem_log.h"
#include "net/loop/loop.h"
#include "telemetry/log.h"

namespace tulle::server {

class StepWatch {
 public:
  struct Pod {
    std::string uid;
    int64_t created_at = 0;    // seconds since the epoch, by the API server
    bool has_address = false;  // it has one, and has not ended
  };
  struct Parts {
    loop::Loop& loop;
    ca::MeshAuthority& authority;
    telemetry::Log& log;
    // Visits every meshed pod. Null visitor: only says whether the pods are known yet.
    std::function<bool(const std::function<void(const Pod&)>& visit)> for_each_pod = {};
    std::function<void()> resend_roots = {};
    std::function<bool()> is_leader = {};
    std::function<void(const std::string& statement)> publish = {};  // once a second, during a step
    std::function<void()> withdraw = {};                             // the same, of the leader
    // Of the other replicas.
    std::function<std::map<std::string, std::string>()> statements = {};
  };
  // The parts outlive this.
  explicit StepWatch(Parts parts);

 private:
  void Tick();
  void Enter(const std::string& step);
  // When the step has settled by any replica's clock, in seconds since the epoch.
  int64_t SettledEverywhere() const;
  // All certificates of before have ended, and did so this long ago.
  bool AreFormerOver(std::chrono::seconds ago) const;
  int64_t WallNow() const;
  // The pods that the step waits for.
  struct Awaited {
    ca::PodSum sum;
    std::vector<std::string> uids;
  };
  // What this replica says.
  ca::Statement Count(Awaited* awaited);
  // Says why the step does not come if pods are counted twice.
  void WatchSurplus(uint64_t ready, uint64_t awaited);
  void Agree(const ca::Statement& own, const Awaited& awaited);
  // Why the step is not due, in words.
  std::string ReasonOf(uint64_t ready, uint64_t awaited) const;
  std::chrono::milliseconds Now() const;

  Parts parts_;
  ca::StepAgreement agreement_;
  std::string step_;  // empty: none is in progress
  std::chrono::milliseconds entered_at_{0};
  bool are_all_ready_ = false;  // for the next one
  std::chrono::milliseconds no_surplus_at_{0};
  kubernetes::ProblemLog problems_;
  std::unique_ptr<loop::Timer> tick_;
};

}  // namespace tulle::server
