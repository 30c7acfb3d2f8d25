#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "sidecar/dataplane/remote_worker.h"

namespace tulle::sidecar {

// A thread with its loop and its worker. Owner: Sidecar. Constructed, called and destroyed on the
// main thread.
class WorkerThread final : public RemoteWorker {
 public:
  // `make_observer` runs on the new thread, once, before the constructor returns.
  using MakeObserver = std::function<std::unique_ptr<proxy::Observer>(loop::Loop& loop)>;
  WorkerThread(int index, MakeObserver make_observer, const proxy::SharedMemoryPressure* memory);
  // Closes what is open and joins.
  ~WorkerThread() override;

  void Post(std::function<void(Worker& worker)> task) override { worker_->Post(std::move(task)); }
  // As Post; any thread.
  void PostToLoop(absl::AnyInvocable<void()> task) { loop_->Post(std::move(task)); }

 private:
  // The thread's own; valid between start and join.
  loop::Loop* loop_ = nullptr;
  WorkerOnLoop* worker_ = nullptr;
  std::thread thread_;
};

}  // namespace tulle::sidecar
