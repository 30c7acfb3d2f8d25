// The tables of a Registry. Only for metrics.cc, collect.cc and idle_rows.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/metrics.h"

namespace tulle::telemetry {

// Rows by owner; none is 0.
using Shares = std::map<std::string, size_t, std::less<>>;

struct Registry::Row {
  Counter counter;
  Gauge gauge;
  std::unique_ptr<Histogram> histogram;
  uint64_t seen = 0;                    // by the last sweep: the count
  uint32_t changed = 0;                 // in which sweep that count was new
  Shares::value_type* share = nullptr;  // that it is counted in; null: none
};

struct Registry::Family {
  FamilySpec spec;
  std::map<LabelValues, Row> rows;  // nodes never move
  Shares shares;
};

struct Registry::Tables {
  std::map<std::string_view, Family> families;
  std::vector<std::map<LabelValues, Row>::node_type> retired;
};

}  // namespace tulle::telemetry
