// What each replica says about the step of a rotation (ca/step_agreement.h), as annotations of
// Lease `tulle-control`, which all of them read every few seconds to elect the leader. Written only
// while a rotation is in progress: when it changes, at most every 2 s, and every 5 s to show that
// the replica lives. The leader removes all of them after the rotation.
//
// Owner: KubernetesLink. Thread: the loop's. Errors are logged; Publish() is called again anyway.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "control-plane/kubernetes/problem_log.h"
#include "k8s/api/client.h"
#include "k8s/api/json.h"
#include "net/loop/loop.h"
#include "telemetry/log.h"

namespace tulle::kubernetes {

class RotationStatements {
 public:
  // References outlive this.
  RotationStatements(loop::Loop& loop, k8s::Client& client, telemetry::Log& log,
                     const std::string& replica);

  // To be called about once a second: writes it if that is due.
  void Publish(const std::string& statement);
  // No rotation is in progress: removes what the Lease has.
  void Clear();
  // As it was read just now.
  void OnLease(const k8s::Json& lease);
  // Of the other replicas, as last read, by replica.
  const std::map<std::string, std::string>& others() const { return others_; }

 private:
  void Write(k8s::Json annotations);

  loop::Loop& loop_;
  k8s::Client& client_;
  ProblemLog problems_;
  const std::string key_;  // of the annotation
  std::map<std::string, std::string> others_;
  bool has_own_ = false;  // the Lease has
  std::string published_;
  uint64_t writes_ = 0;
  loop::Instant written_at_{};
  std::unique_ptr<k8s::Call> call_;
};

}  // namespace tulle::kubernetes
