// What all sidecars of one identity may take together of the memory and the time of a control
// plane: a certificate opens as many connections as its holder likes. Owner: the service of insight
// streams. Thread: the loop's.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include "net/loop/loop.h"

namespace tulle::insight {

// Of one identity. Owner: its streams, together.
class ReporterShare {
 public:
  // As many workloads of one identity are seen.
  static constexpr size_t kMostStreams = 5'000;
  // Names of series on these streams.
  static constexpr size_t kMostSeries = 250'000;
  // Weight and bytes (message_weight.h) of messages that nobody has asked for: about a twentieth of
  // the loop's time. 1,000 sidecars that report 50 series each need a tenth of that.
  static constexpr size_t kCostPerSecond = 4 * 1024 * 1024;
  static constexpr size_t kCostAtOnce = 8 * 1024 * 1024;

  // False: there are too many; nothing has changed.
  bool AddStream();
  bool AddSeries();
  void EndStream(size_t series);
  // What was read; returns how long nothing more is to be read.
  loop::Duration Charge(size_t cost, loop::Instant now);
  // Nothing of it is in use, or will be noticed.
  bool is_idle(loop::Instant now) const { return streams_ == 0 && paid_until_ <= now; }

 private:
  size_t streams_ = 0;
  size_t series_ = 0;
  loop::Instant paid_until_{};
};

class ReporterShares {
 public:
  // `reporter`: SPIFFE ID.
  std::shared_ptr<ReporterShare> Of(const std::string& reporter, loop::Instant now);

 private:
  std::map<std::string, std::shared_ptr<ReporterShare>> shares_;
  size_t swept_at_ = 64;  // shares; idle ones are forgotten then
};

}  // namespace tulle::insight
