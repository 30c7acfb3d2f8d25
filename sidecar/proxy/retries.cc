#include "sidecar/proxy/retries.h"

#include <cassert>

#include "sidecar/upstream/cluster.h"

namespace tulle::proxy {

bool Retries::Enter(upstream::Cluster& cluster) {
  if (entered_ == nullptr && cluster.TryEnterRetry()) entered_ = &cluster;
  return entered_ != nullptr;
}

bool Retries::TryEnter(upstream::Cluster& cluster) {
  if (!Enter(cluster)) return false;
  --left_;
  ++done_;
  return true;
}

bool Retries::TryFreshConnection() {
  if (std::exchange(extra_used_, true)) return false;
  fresh_connection_ = true;
  return true;
}

bool Retries::TryRefused(upstream::Cluster& cluster) {
  if (extra_used_ || !Enter(cluster)) return false;
  extra_used_ = true;
  return true;
}

void Retries::Leave() {
  if (upstream::Cluster* cluster = std::exchange(entered_, nullptr)) cluster->LeaveRetry();
}

void Retries::Keep(const Buffer& data, size_t limit) {
  if (!whole_) return;
  const bool nothing_may_follow = left_ == 0 && extra_used_;
  if (!nothing_may_follow && body_.size() + data.size() <= limit) return body_.AppendShared(data);
  whole_ = data.empty();
  Release();
}

void Retries::Hold(Buffer& data) {
  assert(whole_);
  body_.Append(data);
}

void Retries::Release() {
  whole_ = whole_ && body_.empty();
  body_.Clear();
}

loop::Duration Retries::BackOff(const route::RetrySpec& spec, loop::Random& random) {
  const auto below = [&random](loop::Duration bound) {
    return loop::Duration(static_cast<int64_t>(random.Below(static_cast<uint64_t>(bound.count()))));
  };
  if (const auto asked = std::exchange(wait_asked_, std::nullopt))
    return *asked + below(*asked / 2 + loop::Duration(1));
  const uint32_t doublings = std::min(done_ - 1, 20u);
  return below(
      std::min<loop::Duration>(spec.max_interval, spec.base_interval * (int64_t{1} << doublings)));
}

}  // namespace tulle::proxy
