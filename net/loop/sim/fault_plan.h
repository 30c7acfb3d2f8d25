#pragma once

#include <cstddef>
#include <cstdint>

#include "net/loop/loop.h"

namespace tulle::sim {

// The faults that the simulated world injects. Probabilities are in 0..1, each drawn from the run's
// seed. A default plan is a healthy network whose timing differs from seed to seed.
struct FaultPlan {
  // The one-way delay of a link between two hosts is drawn once from this range; each segment adds
  // up to a quarter of it.
  loop::Duration minimum_latency = std::chrono::microseconds(100);
  loop::Duration maximum_latency = std::chrono::milliseconds(2);
  // Between processes of one host.
  loop::Duration loopback_latency = std::chrono::microseconds(10);
  uint64_t bytes_per_second = 1'000'000'000;  // of each direction of a connection

  // Bytes that one direction of a connection buffers between the writer and the reader.
  size_t socket_buffer = 64 * 1024;
  size_t maximum_segment = 16 * 1024;
  // A read or a write transfers less than it could.
  double short_io = 0;
  // A data segment resets its connection at both ends.
  double reset = 0;
  // A connect is refused although a listener exists.
  double refuse = 0;
  // A segment is delayed by up to `maximum_delay` (later segments wait, as in TCP).
  double delay = 0;
  loop::Duration maximum_delay = std::chrono::milliseconds(200);
  // A process sleeps for up to `maximum_stall` after a turn.
  double stall = 0;
  loop::Duration maximum_stall = std::chrono::milliseconds(20);
  // Each pair of hosts is partitioned about once in this time, for up to `maximum_partition`.
  // Segments arrive when the partition heals. Zero: never.
  loop::Duration partition_interval = loop::Duration::zero();
  loop::Duration maximum_partition = std::chrono::seconds(2);
};

}  // namespace tulle::sim
