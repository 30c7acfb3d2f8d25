#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "net/loop/loop.h"
#include "sidecar/policy/token_bucket.h"
#include "sidecar/proxy/ended.h"
#include "sidecar/recorder/worker_recorder.h"

namespace tulle::proxy {

struct Call;

// Writes each request that has ended into the flight recorder, and explains those that failed, were
// retried or slow, or about which something unusual was decided: so many a second of each cause.
// Without allocation, lock or system call. Owner: TrafficObserver. Thread: the worker's.
class RequestRecorder {
 public:
  // What is explained of each cause: a flood of one does not hide the others.
  static constexpr policy::BucketSpec kExplained{40, 20, std::chrono::seconds(1)};
  // By cause; the last three are those of requests that did not fail, or have no cause.
  static constexpr size_t kBudgets = 128;
  // Until the response began.
  static constexpr loop::Duration kSlow = std::chrono::seconds(1);

  // `into` null: nothing is recorded.
  RequestRecorder(loop::Loop& loop, recorder::WorkerRecorder* into) : loop_(loop), into_(into) {}

  void Write(const Call& call, const EndedRequest& request);
  // What is the same for all requests from now on.
  void SetOwn(std::string_view spiffe_id);
  void SetConfiguration(std::chrono::system_clock::time_point since, std::string_view name);

 private:
  void Explain(const Call& call, bool failed);
  void ShowHeaders(const EndedRequest& request, uint64_t number);

  loop::Loop& loop_;
  recorder::WorkerRecorder* const into_;
  const policy::BucketRate rate_{kExplained};
  std::array<policy::BucketWord, kBudgets> budgets_{};
};

}  // namespace tulle::proxy
