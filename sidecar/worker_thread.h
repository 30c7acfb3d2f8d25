#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "net/loop/loop.h"
#include "sidecar/worker.h"

namespace tulle::sidecar {

// A thread with its loop and its worker. Owner: Sidecar. Constructed, called and destroyed on the
// main thread; what it is asked to do is posted to the thread.
class WorkerThread {
 public:
  // `make_observer` runs on the new thread, once.
  using MakeObserver = std::function<std::unique_ptr<proxy::Observer>(loop::Loop& loop)>;
  WorkerThread(loop::Loop& main, int index, MakeObserver make_observer);
  // Closes what is open and joins.
  ~WorkerThread();

  // `done` runs on the main loop.
  void Apply(std::shared_ptr<const Version> version,
             std::function<void(std::vector<std::string> errors)> done);
  void Drain();
  // `done(idle)` runs on the main loop.
  void AskIdle(std::function<void(bool idle)> done);
  // Runs `task` on the thread.
  void Post(std::function<void(Worker& worker)> task);

 private:
  loop::Loop& main_;
  MakeObserver make_observer_;
  loop::Loop* loop_ = nullptr;  // the thread's own; valid between start and join
  Worker* worker_ = nullptr;
  std::thread thread_;
};

}  // namespace tulle::sidecar
