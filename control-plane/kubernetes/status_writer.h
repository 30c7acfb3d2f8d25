// Writes the status of routes and policies: at most four at a time, each against the version that
// it was derived from. A conflict, or a server that cannot be reached, is tried again later with
// what is to be written then; an object that has gone is forgotten. Only the leader of several
// control planes writes; the others keep what is to be written until they lead, or until they see
// it written.
//
// Owner: GatewayApi, PolicyApi. Thread: the loop's.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "control-plane/kubernetes/problem_log.h"
#include "control-plane/policy/model.h"
#include "k8s/api/client.h"
#include "k8s/api/json.h"
#include "net/loop/loop.h"
#include "telemetry/log.h"

namespace tulle::kubernetes {

// Sets fields of the object's status, if the object still has this version.
k8s::Request StatusPatch(const policy::DocumentKey& key, const std::string& version,
                         k8s::Json status);
// RFC 3339, as conditions have it.
std::string TimeText(std::chrono::system_clock::time_point time);

class StatusWriter {
 public:
  struct Parts {
    // What is to be written of an object now; nullopt: nothing.
    std::function<std::optional<k8s::Request>(const policy::DocumentKey&)> next;
    std::function<bool()> is_leader;
  };
  // References outlive this.
  StatusWriter(loop::Loop& loop, k8s::Client& client, telemetry::Log& log, Parts parts);

  // Its status may differ from what it should be.
  void Add(const policy::DocumentKey& key) { due_.insert(key); }
  // Call after Add().
  void Write();

 private:
  void Send(const policy::DocumentKey& key, const k8s::Request& request);
  void OnAnswer(const policy::DocumentKey& key, const k8s::Answer& answer);

  loop::Loop& loop_;
  k8s::Client& client_;
  ProblemLog problems_;
  const Parts parts_;
  std::set<policy::DocumentKey> due_;
  std::set<policy::DocumentKey> failed_;  // due when the timer fires
  std::map<policy::DocumentKey, std::unique_ptr<k8s::Call>> calls_;
  std::unique_ptr<loop::Timer> retry_;
  loop::Duration backoff_;
};

}  // namespace tulle::kubernetes
