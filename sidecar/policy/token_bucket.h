#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

namespace tulle::policy {

using Nanoseconds = std::chrono::nanoseconds;

// How a bucket fills. Source: envoy.type.v3.TokenBucket.
struct BucketSpec {
  uint32_t tokens = 0;  // maximum and initial number
  uint32_t per_fill = 1;
  Nanoseconds interval{std::chrono::seconds(1)};

  bool operator==(const BucketSpec&) const = default;
};

// One bucket: a word that any thread may change. It holds the time at which the bucket will be full
// again, so it fills without a timer, and a full bucket looks like a new one.
using BucketWord = std::atomic<int64_t>;

class BucketRate {
 public:
  struct Grant {
    bool allowed = false;
    uint32_t remaining = 0;
    Nanoseconds until_next{0};  // until the next token, if none was left
    Nanoseconds until_full{0};
  };

  BucketRate() = default;
  explicit BucketRate(const BucketSpec& spec);
  // `now` of the loop's clock, which all workers share.
  Grant Take(BucketWord& bucket, Nanoseconds now) const;
  uint32_t tokens() const { return tokens_; }
  Nanoseconds capacity() const { return Nanoseconds(capacity_); }

 private:
  uint32_t tokens_ = 0;
  int64_t token_ = 1;  // ns per token
  int64_t capacity_ = 0;
};

// Buckets by a key that callers choose: a fixed number of slots. A new key reuses a slot whose
// bucket is full, which loses nothing, otherwise the slot that is nearest to full. Any thread.
class KeyedBuckets {
 public:
  explicit KeyedBuckets(uint32_t keys);
  BucketWord& Find(uint64_t key);

 private:
  struct Slot {
    std::atomic<uint64_t> key{0};
    BucketWord word{0};
  };
  static constexpr uint64_t kWays = 4;

  uint64_t sets_;
  std::unique_ptr<Slot[]> slots_;
};

}  // namespace tulle::policy
