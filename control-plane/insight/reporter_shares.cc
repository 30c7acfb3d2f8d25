#include "control-plane/insight/reporter_shares.h"

#include <algorithm>
#include <chrono>

namespace tulle::insight {
namespace {

loop::Duration TimeOf(size_t cost) {
  return std::chrono::microseconds(cost * 1'000'000 / ReporterShare::kCostPerSecond);
}

}  // namespace

bool ReporterShare::AddStream() {
  if (streams_ == kMostStreams) return false;
  ++streams_;
  return true;
}

bool ReporterShare::AddSeries() {
  if (series_ == kMostSeries) return false;
  ++series_;
  return true;
}

void ReporterShare::EndStream(size_t series) {
  --streams_;
  series_ -= series;
}

loop::Duration ReporterShare::Charge(size_t cost, loop::Instant now) {
  paid_until_ = std::max(paid_until_, now) + TimeOf(cost);
  return std::max(paid_until_ - now - TimeOf(kCostAtOnce), loop::Duration{});
}

std::shared_ptr<ReporterShare> ReporterShares::Of(const std::string& reporter, loop::Instant now) {
  if (shares_.size() >= swept_at_) {
    std::erase_if(shares_, [now](const auto& each) { return each.second->is_idle(now); });
    swept_at_ = std::max<size_t>(2 * shares_.size(), 64);
  }
  std::shared_ptr<ReporterShare>& share = shares_[reporter];
  if (share == nullptr) share = std::make_shared<ReporterShare>();
  return share;
}

}  // namespace tulle::insight
