#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "net/loop/loop.h"
#include "sidecar/policy/token_bucket.h"
#include "sidecar/proxy/ended.h"
#include "sidecar/proxy/request_recorder.h"
#include "sidecar/proxy/services.h"
#include "sidecar/recorder/worker_recorder.h"

namespace tulle::proxy {

// Writes TCP connections that have ended into the flight recorder, with the method "TCP": those
// that were relayed, and those that were refused or broken before there was a request. Each has an
// ID by which it can be looked up, "tcp-" and 16 digits; no other sidecar knows it.
// Owner: TrafficObserver. Thread: the worker's.
class ConnectionRecorder {
 public:
  // Strangers open connections that are refused: they must not use up the ring.
  static constexpr policy::BucketSpec kRefusals{20, 10, std::chrono::seconds(1)};

  // `into` null: nothing is recorded.
  ConnectionRecorder(loop::Loop& loop, recorder::WorkerRecorder* into) : loop_(loop), into_(into) {}

  // `configured`: since when the configuration was in force.
  void Write(const EndedRelay& relay, std::chrono::system_clock::time_point configured);
  void Write(const UnmatchedConnection& connection);
  void Write(const BrokenConnection& connection);

 private:
  struct Entry;

  void Write(const Entry& entry);
  void Explain(const Entry& entry);
  bool MayRecordRefusal();

  loop::Loop& loop_;
  recorder::WorkerRecorder* const into_;
  const policy::BucketRate rate_{kRefusals};
  policy::BucketWord refusals_ = 0;
  const policy::BucketRate explained_rate_{RequestRecorder::kExplained};
  policy::BucketWord explained_ = 0;
};

}  // namespace tulle::proxy
