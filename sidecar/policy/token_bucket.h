#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

namespace tulle::policy {

using Nanoseconds = std::chrono::nanoseconds;

// How a bucket fills. Source: envoy.type.v3.TokenBucket.
struct BucketSpec {
  uint32_t tokens = 0;  // at most, and at first
  uint32_t per_fill = 1;
  Nanoseconds interval{std::chrono::seconds(1)};

  bool operator==(const BucketSpec&) const = default;
};

// One bucket: a word that any thread may change. It holds the moment at which the bucket will be
// full again, so that it fills without a timer, and a bucket that is full looks like a new one.
using BucketWord = std::atomic<int64_t>;

class BucketRate {
 public:
  struct Taken {
    bool allowed = false;
    uint32_t remaining = 0;
    Nanoseconds until_next{0};  // until there is a token, if there was none
    Nanoseconds until_full{0};
  };

  BucketRate() = default;
  explicit BucketRate(const BucketSpec& spec);
  // `now` of the loop's clock, which all workers share.
  Taken Take(BucketWord& bucket, Nanoseconds now) const;
  uint32_t tokens() const { return tokens_; }
  Nanoseconds capacity() const { return Nanoseconds(capacity_); }

 private:
  uint32_t tokens_ = 0;
  int64_t token_ = 1;  // ns that one takes to come
  int64_t capacity_ = 0;
};

// Buckets by a key that callers choose: a fixed number of slots. A new key takes a slot that is
// full again, which loses nothing, else the one that is the nearest to it. Any thread.
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
