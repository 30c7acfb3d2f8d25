#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "telemetry/metrics.h"
#include "tulle/insight/v1/insight.pb.h"

namespace tulle::sidecar {

// The families that TrafficDeltas reads.
std::span<const telemetry::FamilySpec* const> TrafficFamilies();

// What the metrics of requests and TCP connections have gained since the last report, in the form
// of tulle.insight.v1. Costs the path of a request nothing: it reads cells that are counted anyway.
//
// Call order: (Begin AddTo*)*. Owner: InsightStream. Thread: main.
class TrafficDeltas {
 public:
  // Of one report: what is more follows with the next one.
  static constexpr size_t kMostSeries = 500;
  // That the control plane takes on one stream.
  static constexpr uint32_t kMostNames = 4096;

  // A stream begins: its series are named anew. `skip`: what has happened since the last report is
  // not reported, because it was too long ago.
  void Begin(bool skip);
  // `families`: as Collect returns TrafficFamilies(). False: nothing has changed.
  bool AddTo(const std::vector<telemetry::FamilySamples>& families, insight::v1::Traffic& traffic);
  // The next report may not find names for its series, since those that have expired have used them
  // up: begin a new stream.
  bool full() const { return last_id_ > kMostNames - kMostSeries; }

 private:
  struct Row {
    uint32_t report = 0;             // the last one in which the series was there
    uint32_t id = 0;                 // 0: not named on this stream
    std::vector<uint64_t> reported;  // as CellsOf returns them
  };

  void AddFamily(const telemetry::FamilySamples& family, insight::v1::Traffic& traffic);
  void Name(Row& row, const telemetry::Sample& sample, insight::v1::Traffic& traffic);

  struct HashOfLabels {
    size_t operator()(const telemetry::LabelValues& labels) const {
      return std::hash<std::string_view>()(labels.text());
    }
  };

  // Of the series of the last report: the labels are those of the registry, not copies.
  absl::flat_hash_map<telemetry::LabelValues, Row, HashOfLabels, std::equal_to<>> rows_;
  uint32_t report_ = 0;
  uint32_t last_id_ = 0;
  bool skip_ = false;
};

}  // namespace tulle::sidecar
