#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "telemetry/exemplars.h"
#include "telemetry/label_values.h"

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
  ~Histogram();
  Histogram(const Histogram&) = delete;
  Histogram& operator=(const Histogram&) = delete;
  void Record(double value) { AddTo(IndexOf(value), value); }
  // Records its value, and keeps it as the last of its bucket. The first one takes the memory for
  // them all.
  void Record(const Exemplar& exemplar);
  std::span<const double> bounds() const { return bounds_; }
  // Values in (bounds[i - 1], bounds[i]]; i == bounds().size(): above the last bound.
  uint64_t bucket(size_t i) const { return buckets_[i].value(); }
  double sum() const { return sum_.value(); }
  uint64_t count() const;
  bool has_exemplars() const { return exemplars_.load(std::memory_order_acquire) != nullptr; }
  // REQUIRES: has_exemplars().
  Exemplar exemplar(size_t i) const { return exemplars_.load(std::memory_order_acquire)[i].Get(); }

 private:
  size_t IndexOf(double value) const;
  void AddTo(size_t bucket, double value) {
    buckets_[bucket].Add();
    sum_.Add(value);
  }

  std::span<const double> bounds_;
  std::array<Counter, kMaxBounds + 1> buckets_;
  Gauge sum_;
  std::atomic<ExemplarCell*> exemplars_{nullptr};  // by bucket; null: none yet
};

enum class MetricKind : uint8_t { kCounter, kGauge, kHistogram };

// Who decides how many rows a family has. kPeers: also those who call or are called, so the budget
// of the registry holds. kConfiguration: nothing else, and a row that is missing would be a lie.
enum class RowsBy : uint8_t { kPeers, kConfiguration };

// The properties shared by all rows of one name. A program constant: all views live forever.
struct FamilySpec {
  std::string_view name;
  std::string_view help;
  MetricKind kind = MetricKind::kCounter;
  std::span<const std::string_view> labels;
  std::span<const double> bounds;  // of histograms
  RowsBy rows_by = RowsBy::kPeers;
  bool is_scraped = true;  // else it is collected by name alone
};

// On whose account a row is made, and the row that counts instead when there is no room for it.
struct Account {
  std::string_view owner = {};  // of a peer; empty: nobody's share
  LabelValues overflow = {};    // empty: "other" each
};

// One row of a scrape.
struct Sample {
  LabelValues labels;               // in the order of FamilySpec::labels
  uint64_t count = 0;               // of counters
  double value = 0;                 // of gauges, and the sum of histograms
  std::vector<uint64_t> buckets;    // of histograms, not cumulative; one more than bounds
  std::vector<Exemplar> exemplars;  // by bucket; empty: none
};

struct FamilySamples {
  FamilySpec spec;
  std::vector<Sample> samples;  // sorted by labels
};

// The rows of one thread. A row is created under a mutex when first requested and lives as long as
// the registry, or until it is retired, so callers keep the cell. A family that peers make rows of
// holds at most `budget` of them, and a quarter of those for one owner: further requests get the
// row of Account::overflow, so that peers cannot make memory grow, and one of them cannot take the
// room of others.
//
// Owner: Worker (or the main thread's root). Thread: only the owner's requests and writes rows;
// any thread may call Collect.
class Registry {
 public:
  static constexpr size_t kRowsPerFamily = 2000;
  static constexpr size_t kOwnersInBudget = 4;  // a share is what one of so many owners may have
  explicit Registry(size_t budget = kRowsPerFamily);
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // REQUIRES: spec.kind matches, and there are as many values as labels.
  Counter& CounterRow(const FamilySpec& spec, LabelValues values = {}, const Account& account = {});
  Gauge& GaugeRow(const FamilySpec& spec, LabelValues values = {});
  Histogram& HistogramRow(const FamilySpec& spec, LabelValues values = {},
                          const Account& account = {});
  // The same, without sharing the values.
  using Views = std::span<const std::string_view>;
  Counter& CounterRow(const FamilySpec& spec, Views values) {
    return CounterRow(spec, LabelValues(values));
  }
  Gauge& GaugeRow(const FamilySpec& spec, Views values) {
    return GaugeRow(spec, LabelValues(values));
  }
  Histogram& HistogramRow(const FamilySpec& spec, Views values) {
    return HistogramRow(spec, LabelValues(values));
  }

  // Drops the rows of a family of gauges that is rewritten as a whole (certificates). The owner
  // must not keep its cells.
  void Forget(const FamilySpec& spec);
  // Frees the rows that RetireIdle took out of the tables. The owner has dropped all cells of
  // families that expire.
  void FreeRetired();

 private:
  friend std::vector<FamilySamples> Collect(std::span<const Registry* const> registries,
                                            std::span<const FamilySpec* const> only);
  friend class IdleRows;
  struct Row;
  struct Family;
  struct Tables;
  Row& FindOrMake(const FamilySpec& spec, LabelValues labels, const Account& account = {});
  bool HasRoom(const Family& family, std::string_view owner) const;

  const size_t budget_;
  mutable std::mutex mutex_;  // guards the tables, not the cells
  std::unique_ptr<Tables> tables_;
};

// All rows, equal ones added up; families sorted by name. `only`: these families; empty: all
// that are scraped. Any thread.
std::vector<FamilySamples> Collect(std::span<const Registry* const> registries,
                                   std::span<const FamilySpec* const> only = {});

// Takes series out of the registries that have not changed for `most_sweeps` sweeps in any of them,
// so that peers and services that are gone do not use up the budget: in all registries at once,
// since a sum over some of them would look like a counter that began again. What an owner counts
// in such a row before it drops its cells is lost. True: some were; then each owner drops its cells
// and calls FreeRetired. `sweep`: 1, 2, 3, ... Not while another thread calls Collect.
bool RetireIdle(std::span<Registry* const> registries, std::span<const FamilySpec* const> families,
                uint32_t sweep, uint32_t most_sweeps);

}  // namespace tulle::telemetry
