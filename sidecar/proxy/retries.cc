#include "sidecar/proxy/retries.h"

#include "sidecar/upstream/cluster.h"

namespace tulle::proxy {

bool Retries::TryEnter(upstream::Cluster& cluster) {
  if (entered_ == nullptr) {
    if (!cluster.TryEnterRetry()) return false;
    entered_ = &cluster;
  }
  --left_;
  ++done_;
  return true;
}

void Retries::Leave() {
  if (upstream::Cluster* cluster = std::exchange(entered_, nullptr)) cluster->LeaveRetry();
}

void Retries::Keep(const Buffer& data, size_t limit) {
  if (!whole_) return;
  const bool nothing_may_follow = left_ == 0 && fresh_connection_;
  if (!nothing_may_follow && body_.size() + data.size() <= limit) return body_.AppendShared(data);
  whole_ = data.empty();
  LetGo();
}

void Retries::LetGo() {
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
