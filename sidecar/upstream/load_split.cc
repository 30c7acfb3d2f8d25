#include "sidecar/upstream/load_split.h"

#include <algorithm>

namespace tulle::upstream {
namespace {

// Distributes 100 by `shares`, which sum to at least `whole`; the rounding remainder goes to the
// first with a share.
void Spread(const std::vector<uint32_t>& shares, uint32_t whole, std::vector<PriorityLoad>& loads) {
  uint32_t left = 100;
  for (size_t i = 0; i < shares.size(); ++i) {
    const auto wanted = static_cast<uint32_t>(uint64_t{shares[i]} * 100 / whole);
    loads[i].percent = std::min(left, wanted);
    left -= loads[i].percent;
  }
  const auto first =
      std::find_if(shares.begin(), shares.end(), [](uint32_t one) { return one > 0; });
  loads[static_cast<size_t>(first - shares.begin())].percent += left;
}

}  // namespace

std::vector<PriorityLoad> SplitLoad(std::span<const PriorityHealth> priorities,
                                    uint32_t overprovisioning_percent, uint32_t panic_percent) {
  std::vector<PriorityLoad> loads(priorities.size());
  std::vector<uint32_t> able;  // percentage of the whole that each could take
  uint32_t sum = 0;
  uint32_t endpoints = 0;
  for (const PriorityHealth& one : priorities) {
    const uint64_t share =
        one.total == 0 ? 0 : uint64_t{overprovisioning_percent} * one.healthy / one.total;
    able.push_back(static_cast<uint32_t>(std::min<uint64_t>(100, share)));
    sum += able.back();
    endpoints += one.total;
  }
  const uint32_t whole = std::min(sum, 100u);
  if (panic_percent > 0 && whole < 100) {
    bool everywhere = true;
    for (size_t i = 0; i < loads.size(); ++i) {
      const PriorityHealth& one = priorities[i];
      loads[i].panic =
          one.total == 0 || uint64_t{one.healthy} * 100 < uint64_t{panic_percent} * one.total;
      everywhere &= loads[i].panic;
    }
    if (everywhere && endpoints > 0) {
      std::vector<uint32_t> totals;
      for (const PriorityHealth& one : priorities) totals.push_back(one.total);
      Spread(totals, endpoints, loads);
      return loads;
    }
  }
  if (whole > 0) Spread(able, whole, loads);
  return loads;
}

}  // namespace tulle::upstream
