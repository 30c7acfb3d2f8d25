#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "telemetry/metrics.h"

namespace tulle::proxy {

// The counters of one family of one worker, by their label values. Each is looked up in the
// registry once; from then on, finding it takes no lock and no memory. Owner: RequestTelemetry or
// TrafficObserver. Thread: the worker's.
template <size_t kLabels>
class CounterCells {
 public:
  using Values = std::array<std::string_view, kLabels>;

  // `spec` has kLabels labels and is never destroyed.
  CounterCells(telemetry::Registry& registry, const telemetry::FamilySpec& spec)
      : registry_(registry), spec_(spec) {}

  telemetry::Counter& operator[](const Values& values) {
    if (const auto found = cells_.find(values); found != cells_.end()) return *found->second;
    telemetry::Counter& cell = registry_.CounterRow(spec_, values);
    if (cells_.size() < kMostKept) cells_.emplace(TextsOf(values), &cell);
    return cell;
  }
  // Before the registry frees rows that it has retired.
  void Drop() { cells_.clear(); }

 private:
  using Texts = std::array<std::string, kLabels>;
  struct Hash {
    using is_transparent = void;
    template <typename Each>
    size_t operator()(const std::array<Each, kLabels>& values) const {
      size_t hash = 0;
      for (const std::string_view value : values)
        hash = hash * 31 + std::hash<std::string_view>()(value);
      return hash;
    }
  };
  struct Equal {
    using is_transparent = void;
    template <typename One, typename Other>
    bool operator()(const std::array<One, kLabels>& one,
                    const std::array<Other, kLabels>& other) const {
      return std::equal(one.begin(), one.end(), other.begin());
    }
  };
  static Texts TextsOf(const Values& values) {
    Texts texts;
    std::copy(values.begin(), values.end(), texts.begin());
    return texts;
  }

  // As many as a family has rows; further ones are looked up each time.
  static constexpr size_t kMostKept = telemetry::Registry::kRowsPerFamily;

  telemetry::Registry& registry_;
  const telemetry::FamilySpec& spec_;
  absl::flat_hash_map<Texts, telemetry::Counter*, Hash, Equal> cells_;
};

}  // namespace tulle::proxy
