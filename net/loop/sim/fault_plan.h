#pragma once

#include <cstddef>
#include <cstdint>

#include "net/loop/loop.h"

namespace tulle::sim {

// What the simulated world does to those who live in it. Probabilities are in 0..1, each drawn from
// the run's seed; a plan of defaults is a healthy network whose timing differs from seed to seed.
struct FaultPlan {
  // One-way delay of a link between two hosts is drawn once in this range; each segment adds up to
  // a quarter of it.
  loop::Duration minimum_latency = std::chrono::microseconds(100);
  loop::Duration maximum_latency = std::chrono::milliseconds(2);
  // Between processes of one host.
  loop::Duration loopback_latency = std::chrono::microseconds(10);
  uint64_t bytes_per_second = 1'000'000'000;  // of each direction of a connection

  // Bytes that one direction of a connection holds between the writer and the reader.
  size_t socket_buffer = 64 * 1024;
  size_t maximum_segment = 16 * 1024;
  // A read or a write does less than it could.
  double short_io = 0;
  // A data segment resets its connection for both ends.
  double reset = 0;
  // A connect is refused although somebody listens.
  double refuse = 0;
  // A segment comes later by up to `maximum_delay` (what follows it waits, as TCP does).
  double delay = 0;
  loop::Duration maximum_delay = std::chrono::milliseconds(200);
  // A process sleeps up to `maximum_stall` after a turn.
  double stall = 0;
  loop::Duration maximum_stall = std::chrono::milliseconds(20);
  // Each pair of hosts is cut apart about once in this time, for up to `maximum_partition`.
  // Segments come when it has healed. Zero: never.
  loop::Duration partition_interval = loop::Duration::zero();
  loop::Duration maximum_partition = std::chrono::seconds(2);
};

}  // namespace tulle::sim
