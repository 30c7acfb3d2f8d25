// The roots of the mesh and their keys, in Secret `tulle-ca` of the control plane's namespace: what
// all replicas share, and what a restart keeps. The first replica creates it; whoever writes names
// the version that the change was made for, so that of two writers one wins and the other one reads
// the result. If the Secret is deleted it is created again with the roots that were last seen.
//
// Owner: RootsBootstrap, then KubernetesLink. Thread: the loop's. Errors are logged, never with
// contents, and tried again.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "control-plane/kubernetes/problem_log.h"
#include "k8s/api/client.h"
#include "k8s/api/reflector.h"
#include "net/loop/loop.h"
#include "telemetry/log.h"

namespace tulle::kubernetes {

inline constexpr char kRootsSecret[] = "tulle-ca";
inline constexpr char kRootsSecretKey[] = "roots.json";

class RootsSecret final : private k8s::ReflectorEvents {
 public:
  // Each version of the roots that the Secret has, as MeshAuthority::Record() writes them.
  using OnRoots = std::function<void(const std::string& roots)>;

  // References outlive this. `candidate`: the roots to create the Secret with if there is none.
  RootsSecret(loop::Loop& loop, k8s::Client& client, telemetry::Log& log, std::string candidate,
              OnRoots on_roots);

  void Start() { reflector_.Start(); }
  // Replaces the version that was last reported. What becomes of it is seen by OnRoots: if another
  // one was faster, or the API server is away, the change is lost.
  void Write(const std::string& roots);

 private:
  void OnUpsert(const k8s::ObjectKey& key, const k8s::Json& secret) override;
  void OnDelete(const k8s::ObjectKey& key) override;
  void OnSynced() override;
  void OnProblem(const std::string& text) override { problems_.Report("Kubernetes: " + text); }
  void Create();
  void OnWritten(const k8s::Answer& answer);

  loop::Loop& loop_;
  k8s::Client& client_;
  ProblemLog problems_;
  k8s::Reflector reflector_;
  std::string roots_;    // as last seen, or the candidate
  std::string version_;  // of the Secret; empty: there is none
  const OnRoots on_roots_;
  std::unique_ptr<k8s::Call> call_;
  std::unique_ptr<loop::Timer> retry_;  // to create it
};

}  // namespace tulle::kubernetes
