// The roots of the mesh and their keys, in Secret `tulle-ca` of the control plane's namespace: what
// all replicas share, and what a restart keeps. The first replica creates it; whoever writes names
// the version that the change was made for, so that of two writers one wins and the other one reads
// the result. If the Secret is deleted it is created again with the valid roots that were last
// seen. A record that cannot be used is never remembered, and overwritten only if it is older than
// the roots in force.
//
// Owner: RootsBootstrap, then KubernetesLink. Thread: the loop's. Errors are logged, never with
// contents, and tried again.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
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
  // Each version of the roots that the Secret has, as MeshAuthority::Record() writes them. An
  // error: it cannot be used, and the last valid one stays in force. kDataLoss,
  // kFailedPrecondition: no replica can use it. kAborted: the same, and Write() may replace it. Any
  // other code: this replica cannot use it now, but others may; it is called again every 2 s.
  using OnRoots = std::function<absl::Status(const std::string& roots)>;
  // Whoever has seen this version of the Secret has the roots that are in force.
  using OnSettled = std::function<void(const std::string& version)>;

  // References outlive this. `candidate`: the roots to create the Secret with if there is none.
  RootsSecret(loop::Loop& loop, k8s::Client& client, telemetry::Log& log, std::string candidate,
              OnRoots on_roots, OnSettled on_settled = {});

  void Start() { reflector_.Start(); }
  // Replaces the version that was last reported. What becomes of it is seen by OnRoots: if another
  // one was faster, or the API server is away, the change is lost. So are changes that follow one
  // which the API server has refused, for 1 s at first and up to a minute.
  void Write(const std::string& roots);
  // resourceVersion of what was last reported; empty: there is no Secret.
  const std::string& version() const { return version_; }
  // Whether the Secret has roots that can be used, or there is none.
  bool is_valid() const { return is_valid_; }

 private:
  void OnUpsert(const k8s::ObjectKey& key, const k8s::Json& secret) override;
  void OnDelete(const k8s::ObjectKey& key) override;
  void OnSynced() override;
  void OnProblem(const std::string& text) override { problems_.Report("Kubernetes: " + text); }
  void Retry();
  void Create();
  std::string WhatIsWrong(const absl::Status& read) const;
  absl::Status Read(const k8s::Json& secret);
  void OnWritten(const k8s::Answer& answer);

  loop::Loop& loop_;
  k8s::Client& client_;
  ProblemLog problems_;
  k8s::Reflector reflector_;
  std::string roots_;    // the last valid ones, or the candidate
  std::string version_;  // of the Secret; empty: there is none, or it must not be replaced
  bool is_valid_ = true;
  k8s::Json untaken_;  // the Secret that this replica cannot use now, if there is one
  const OnRoots on_roots_;
  const OnSettled on_settled_;
  std::unique_ptr<k8s::Call> call_;
  std::unique_ptr<loop::Timer> retry_;  // to create it, or to use it
  loop::Instant write_from_{};          // nothing is written before
  loop::Duration backoff_;
};

}  // namespace tulle::kubernetes
