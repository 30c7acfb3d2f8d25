// How the traffic of the busiest links has gone, step by step. Values, made from a TrafficBook.
// Thread: the book's. Times in seconds since the epoch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "control-plane/insight/traffic.h"
#include "control-plane/insight/traffic_book.h"

namespace tulle::insight {

struct HistoryRange {
  // Beyond this a step is whole minutes, as the book keeps older slots.
  static constexpr int64_t kFineWindow = TrafficBook::kFineSeconds - 60;
  static constexpr size_t kMostSteps = 60;

  int64_t window = 0;
  int64_t step = 0;

  // Whether the book can tell it.
  bool is_valid() const;
};

struct TrafficHistory {
  static constexpr size_t kMostLinks = 100;

  struct Line {
    Link link;  // its sum
    std::vector<Traffic> steps;
  };
  int64_t from = 0;  // of the first step; the last one is over
  size_t steps = 0;
  std::vector<Line> lines;  // busiest first
  size_t left_out = 0;      // links beyond kMostLinks
};

// `service`: its host; empty: all. REQUIRES: range.is_valid().
TrafficHistory HistoryOf(const TrafficBook& book, const HistoryRange& range,
                         const std::string& service, int64_t now);

}  // namespace tulle::insight
