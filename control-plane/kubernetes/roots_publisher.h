// Keeps the mesh's roots in a ConfigMap of each namespace whose pods are injected: sidecars mount
// it and trust these roots at first contact. Written by the leader: again when the roots change,
// and every ten minutes, in case somebody has changed it.
//
// Owner: KubernetesLink. Thread: the loop's. Errors are logged and tried again.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "control-plane/kubernetes/problem_log.h"
#include "k8s/api/client.h"
#include "net/loop/loop.h"
#include "telemetry/log.h"

namespace tulle::kubernetes {

inline constexpr char kRootsConfigMap[] = "tulle-ca-root-cert";
inline constexpr char kRootsKey[] = "root-cert.pem";

class RootsPublisher {
 public:
  // References outlive this.
  RootsPublisher(loop::Loop& loop, k8s::Client& client, telemetry::Log& log,
                 std::function<bool()> is_leader);

  void SetRoots(const std::string& pem);
  void SetNamespace(const std::string& ns, bool is_injected);
  // Writes all, if this replica is the leader now.
  void WriteAll();

 private:
  void WriteNext();

  loop::Loop& loop_;
  k8s::Client& client_;
  ProblemLog problems_;
  const std::function<bool()> is_leader_;
  std::string roots_;
  std::set<std::string> namespaces_;
  std::set<std::string> due_;
  std::set<std::string> failed_;  // due when the timer fires
  std::unique_ptr<k8s::Call> call_;
  std::unique_ptr<loop::Timer> retry_;
  std::unique_ptr<loop::Timer> again_;
};

}  // namespace tulle::kubernetes
