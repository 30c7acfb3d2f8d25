#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tulle::upstream {

// The endpoints of one priority, without those that are draining.
struct PriorityHealth {
  uint32_t healthy = 0;
  uint32_t total = 0;
};

// What it gets of the requests. In panic all its endpoints are used, healthy or not.
struct PriorityLoad {
  uint32_t percent = 0;
  bool panic = false;
};

// How requests are spread over priorities. A priority takes what its healthy endpoints, counted
// `overprovisioning_percent`/100 times, can take of the whole; the rest spills over to the next.
// While all together can take everything, nobody is in panic; else those are whose healthy share is
// below `panic_percent` (0: never). If all are in panic, each gets its share of the endpoints.
// Percentages sum to 100 if there is an endpoint that may be used, and to 0 otherwise. Source:
// Envoy's priority levels and panic threshold.
std::vector<PriorityLoad> SplitLoad(std::span<const PriorityHealth> priorities,
                                    uint32_t overprovisioning_percent, uint32_t panic_percent);

}  // namespace tulle::upstream
