#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tulle::upstream {

// The endpoints of one priority, without draining ones.
struct PriorityHealth {
  uint32_t healthy = 0;
  uint32_t total = 0;
};

// Its percentage of requests. In panic all its endpoints are used, healthy or not.
struct PriorityLoad {
  uint32_t percent = 0;
  bool panic = false;
};

// How requests are spread over priorities. A priority takes as much of the load as its healthy
// endpoints, multiplied by `overprovisioning_percent`/100, can carry; the rest spills over to the
// next. While all together can carry the whole load, none is in panic; otherwise those whose
// healthy share is below `panic_percent` are (0: never). If all are in panic, each gets its share
// of the endpoints. Percentages sum to 100 if any endpoint may be used, and to 0 otherwise. Source:
// Envoy's priority levels and panic threshold.
std::vector<PriorityLoad> SplitLoad(std::span<const PriorityHealth> priorities,
                                    uint32_t overprovisioning_percent, uint32_t panic_percent);

}  // namespace tulle::upstream
