#pragma once

#include <cstdint>

#include "net/loop/loop.h"
#include "sidecar/proxy/ended.h"
#include "sidecar/recorder/worker_recorder.h"

namespace tulle::proxy {

struct Call;

// Writes each request that has ended into the flight recorder, and, within a budget, why those that
// failed did so. Without allocation, lock or system call for the others. Owner: TrafficObserver.
// Thread: the worker's.
class RequestRecorder {
 public:
  // `into` null: nothing is recorded.
  RequestRecorder(loop::Loop& loop, recorder::WorkerRecorder* into) : loop_(loop), into_(into) {}

  void Write(const Call& call, const EndedRequest& request);

 private:
  void KeepFailure(const Call& call, uint64_t number);
  void ShowHeaders(const EndedRequest& request, uint64_t number);

  loop::Loop& loop_;
  recorder::WorkerRecorder* const into_;
};

}  // namespace tulle::proxy
