#include "control-plane/ca/signing_limit.h"

#include <algorithm>
#include <iterator>

namespace tulle::ca {
namespace {

constexpr int64_t kSweepEvery = 60;

}  // namespace

bool SigningLimit::Take(const std::string& holder, int64_t now) {
  if (now - swept_at_ >= kSweepEvery || now < swept_at_) {
    swept_at_ = now;
    for (auto entry = buckets_.begin(); entry != buckets_.end();) {
      Fill(&entry->second, now);
      entry = entry->second.left == rate_.at_once ? buckets_.erase(entry) : std::next(entry);
    }
  }
  Bucket& bucket = buckets_.try_emplace(holder, Bucket{rate_.at_once, now}).first->second;
  Fill(&bucket, now);
  if (bucket.left == 0) return false;
  --bucket.left;
  return true;
}

void SigningLimit::Fill(Bucket* bucket, int64_t now) const {
  const int64_t seconds = std::clamp<int64_t>(now - bucket->filled_at, 0, rate_.at_once);
  bucket->left = std::min(rate_.at_once, bucket->left + seconds * rate_.per_second);
  bucket->filled_at = now;
}

}  // namespace tulle::ca
