// The tables of a Registry. Only for metrics.cc, collect.cc and idle_rows.cc.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "telemetry/metrics.h"

namespace tulle::telemetry {

struct Registry::Row {
  Counter counter;
  Gauge gauge;
  std::unique_ptr<Histogram> histogram;
  uint64_t seen = 0;     // by the last sweep: the count
  uint32_t changed = 0;  // in which sweep that count was new
};

struct Registry::Family {
  FamilySpec spec;
  std::map<LabelValues, Row> rows;  // nodes never move
};

struct Registry::Tables {
  std::map<std::string_view, Family> families;
  std::vector<std::map<LabelValues, Row>::node_type> retired;
};

}  // namespace tulle::telemetry
