#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// Metrics as cells: each worker counts in its own registry with plain loads and stores, and a
// scrape adds up the equal rows of all registries. Source of the kinds: Prometheus data model.
namespace tulle::telemetry {

// A cell is written by one thread and read by any. Owner: a Registry; its address is stable.
class Counter {
 public:
  void Add(uint64_t amount = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void Set(double value) { value_.store(value, std::memory_order_relaxed); }
  void Add(double amount) { Set(value() + amount); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

class Histogram {
 public:
  static constexpr size_t kMaxBounds = 24;
  // `bounds` ascend, number at most kMaxBounds, and are never destroyed.
  explicit Histogram(std::span<const double> bounds) : bounds_(bounds) {}
  void Record(double value);
  std::span<const double> bounds() const { return bounds_; }
  // Values in (bounds[i - 1], bounds[i]]; i == bounds().size(): above the last bound.
  uint64_t bucket(size_t i) const { return buckets_[i].value(); }
  double sum() const { return sum_.value(); }

 private:
  std::span<const double> bounds_;
  std::array<Counter, kMaxBounds + 1> buckets_;
  Gauge sum_;
};

enum class MetricKind : uint8_t { kCounter, kGauge, kHistogram };

// The properties shared by all rows of one name. A program constant: all views live forever.
struct FamilySpec {
  std::string_view name;
  std::string_view help;
  MetricKind kind = MetricKind::kCounter;
  std::span<const std::string_view> labels;
  std::span<const double> bounds;  // of histograms
};

// One row of a scrape.
struct Sample {
  std::vector<std::string> labels;  // values, in the order of FamilySpec::labels
  uint64_t count = 0;               // of counters
  double value = 0;                 // of gauges, and the sum of histograms
  std::vector<uint64_t> buckets;    // of histograms, not cumulative; one more than bounds
};

struct FamilySamples {
  FamilySpec spec;
  std::vector<Sample> samples;  // sorted by labels
};

// The rows of one thread. A row is created under a mutex when first requested and lives as long as
// the registry, so callers keep the cell. A family holds at most `budget` rows: further requests
// get the row whose label values are all "other", so that peers cannot make memory grow.
//
// Owner: Worker (or the main thread's root). Thread: only the owner's requests and writes rows;
// any thread may call Collect.
class Registry {
 public:
  static constexpr size_t kRowsPerFamily = 2000;
  static constexpr size_t kLongestValue = 256;  // longer label values are truncated
  explicit Registry(size_t budget = kRowsPerFamily);
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // REQUIRES: spec.kind matches, and there are as many values as labels. An empty value becomes
  // "unknown".
  Counter& CounterRow(const FamilySpec& spec, std::span<const std::string_view> values = {});
  Gauge& GaugeRow(const FamilySpec& spec, std::span<const std::string_view> values = {});
  Histogram& HistogramRow(const FamilySpec& spec, std::span<const std::string_view> values = {});

  // Drops the rows of a family of gauges that is rewritten as a whole (certificates). The owner
  // must not keep its cells.
  void Forget(const FamilySpec& spec);

 private:
  friend std::vector<FamilySamples> Collect(std::span<const Registry* const> registries,
                                            std::span<const FamilySpec* const> only);
  struct Row;
  struct Family;
  Row& FindOrMake(const FamilySpec& spec, std::span<const std::string_view> values);

  const size_t budget_;
  mutable std::mutex mutex_;  // guards the tables, not the cells
  std::map<std::string_view, std::unique_ptr<Family>> families_;
};

// All rows, equal ones added up; families sorted by name. `only`: these families; empty: all.
// Any thread.
std::vector<FamilySamples> Collect(std::span<const Registry* const> registries,
                                   std::span<const FamilySpec* const> only = {});

}  // namespace tulle::telemetry
