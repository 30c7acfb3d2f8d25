#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "net/loop/loop.h"
#include "sidecar/dataplane/worker.h"

namespace tulle::sidecar {

// A worker as seen from the main thread: tasks are posted to its loop. Owner: Sidecar. Thread:
// main.
class RemoteWorker {
 public:
  virtual ~RemoteWorker() = default;
  // Runs `task` on the worker's thread, in order of posting.
  virtual void Post(std::function<void(Worker& worker)> task) = 0;
};

// A worker on an existing loop: a thread's, or one of the simulator's. Created and destroyed on the
// loop's thread, or while the loop does not run.
class WorkerOnLoop final : public RemoteWorker {
 public:
  WorkerOnLoop(loop::Loop& loop, std::unique_ptr<proxy::Observer> observer,
               const proxy::SharedMemoryPressure* memory = nullptr)
      : loop_(loop), observer_(std::move(observer)), worker_(loop, *observer_, memory) {}

  void Post(std::function<void(Worker& worker)> task) override {
    loop_.Post([this, task = std::move(task)] { task(worker_); });
  }

 private:
  loop::Loop& loop_;
  const std::unique_ptr<proxy::Observer> observer_;
  Worker worker_;
};

}  // namespace tulle::sidecar
