#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "net/loop/loop.h"
#include "sidecar/dataplane/remote_worker.h"
#include "sidecar/dataplane/worker.h"

namespace tulle::sidecar {

// Brings versions of the configuration to all workers, and tries listeners that could not listen
// again: after a second at first, then less and less often. Owner: Sidecar. Thread: main.
class Rollout {
 public:
  using Workers = std::vector<std::unique_ptr<RemoteWorker>>;

  // References outlive this. `on_applied`: a version is in force, or its errors have changed.
  Rollout(loop::Loop& main, const Workers& workers, std::function<void()> on_applied);

  void Start(std::shared_ptr<const Version> version);
  // The newest version that every worker has applied. Null: none yet.
  const Version* in_force() const { return in_force_.get(); }
  // Of that version, each once.
  const std::vector<ListenerError>& errors() const { return errors_; }
  // All listeners accept, or have done so before: a listener that comes later and cannot listen
  // does not take away the ready state (decision 17).
  bool ready() const { return in_force_ != nullptr && (errors_.empty() || was_complete_); }

 private:
  void Post();
  void OnApplied(uint64_t number, std::vector<ListenerError> errors);
  void Finish();

  loop::Loop& main_;
  const Workers& workers_;
  std::function<void()> on_applied_;
  std::shared_ptr<const Version> version_;
  std::shared_ptr<const Version> in_force_;
  uint64_t number_ = 0;  // of the latest Post
  size_t waiting_for_ = 0;
  std::vector<ListenerError> gathered_;
  std::vector<ListenerError> errors_;
  bool was_complete_ = false;
  std::unique_ptr<loop::Timer> retry_;
  loop::Duration retry_after_{};
};

}  // namespace tulle::sidecar
