#include "sidecar/policy/token_bucket.h"

#include <algorithm>
#include <limits>

namespace tulle::policy {

BucketRate::BucketRate(const BucketSpec& spec)
    : tokens_(spec.tokens),
      token_(std::max<int64_t>(spec.interval.count() / std::max(spec.per_fill, 1u), 1)) {
  const auto wide = static_cast<__int128>(token_) * spec.tokens;
  constexpr __int128 kMax = std::numeric_limits<int64_t>::max() / 4;
  capacity_ = static_cast<int64_t>(std::min(wide, kMax));
}

BucketRate::Grant BucketRate::Take(BucketWord& bucket, Nanoseconds now) const {
  int64_t before = bucket.load(std::memory_order_relaxed);
  while (true) {
    const int64_t full_at = std::max(before, now.count()) + token_;
    const int64_t missing = full_at - now.count();
    if (missing > capacity_) {
      const int64_t until_full = std::max<int64_t>(before - now.count(), 0);
      return {false, 0, Nanoseconds(missing - capacity_), Nanoseconds(until_full)};
    }
    if (!bucket.compare_exchange_weak(before, full_at, std::memory_order_relaxed)) continue;
    return {true, static_cast<uint32_t>((capacity_ - missing) / token_), Nanoseconds(0),
            Nanoseconds(missing)};
  }
}

KeyedBuckets::KeyedBuckets(uint32_t keys)
    : sets_(std::max<uint64_t>((keys + kWays - 1) / kWays, 1)),
      slots_(std::make_unique<Slot[]>(sets_ * kWays)) {}

BucketWord& KeyedBuckets::Find(uint64_t key) {
  if (key == 0) key = 1;  // 0 marks a free slot
  Slot* const set = &slots_[(key % sets_) * kWays];
  Slot* victim = set;
  for (Slot* slot = set; slot != set + kWays; ++slot) {
    const uint64_t owner = slot->key.load(std::memory_order_relaxed);
    if (owner == key) return slot->word;
    if (owner == 0) {
      victim = slot;
      break;
    }
    if (slot->word.load(std::memory_order_relaxed) < victim->word.load(std::memory_order_relaxed))
      victim = slot;
  }
  victim->key.store(key, std::memory_order_relaxed);
  victim->word.store(0, std::memory_order_relaxed);
  return victim->word;
}

}  // namespace tulle::policy
