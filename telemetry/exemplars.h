// Examples of what a histogram has counted: traced requests.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace tulle::telemetry {

// One traced request.
struct Exemplar {
  uint64_t trace_high = 0;
  uint64_t trace_low = 0;
  uint64_t span = 0;
  double value = 0;
  int64_t unix_ms = 0;  // 0: there is none

  bool operator==(const Exemplar&) const = default;
};

// The last exemplar, written by one thread and read by any: plain stores, no lock. A reader that
// finds it being written sees none.
class ExemplarCell {
 public:
  // Each field is released after the odd version, so that who sees the field sees the version.
  void Put(const Exemplar& exemplar) {
    const uint32_t version = version_.load(std::memory_order_relaxed);
    version_.store(version + 1, std::memory_order_relaxed);
    trace_high_.store(exemplar.trace_high, std::memory_order_release);
    trace_low_.store(exemplar.trace_low, std::memory_order_release);
    span_.store(exemplar.span, std::memory_order_release);
    value_.store(exemplar.value, std::memory_order_release);
    unix_ms_.store(exemplar.unix_ms, std::memory_order_release);
    version_.store(version + 2, std::memory_order_release);
  }
  Exemplar Get() const {
    const uint32_t before = version_.load(std::memory_order_acquire);
    const Exemplar exemplar{
        trace_high_.load(std::memory_order_acquire), trace_low_.load(std::memory_order_acquire),
        span_.load(std::memory_order_acquire), value_.load(std::memory_order_acquire),
        unix_ms_.load(std::memory_order_acquire)};
    const bool is_whole = before % 2 == 0 && version_.load(std::memory_order_relaxed) == before;
    return is_whole ? exemplar : Exemplar();
  }

 private:
  std::atomic<uint32_t> version_{0};  // odd: being written
  std::atomic<uint64_t> trace_high_{0};
  std::atomic<uint64_t> trace_low_{0};
  std::atomic<uint64_t> span_{0};
  std::atomic<double> value_{0};
  std::atomic<int64_t> unix_ms_{0};
};

}  // namespace tulle::telemetry
