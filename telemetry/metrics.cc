// Rows of metrics.
#include "telemetry/metrics.h"

#include <algorithm>
#include <cassert>
#include <string>
#include <utility>

#include "telemetry/registry_rows.h"

namespace tulle::telemetry {

Histogram::~Histogram() { delete[] exemplars_.load(std::memory_order_relaxed); }

size_t Histogram::IndexOf(double value) const {
  // Most values are in the first buckets: that is faster than a binary search.
  size_t bucket = 0;
  while (bucket < bounds_.size() && bounds_[bucket] < value) ++bucket;
  return bucket;
}

void Histogram::Record(const Exemplar& exemplar) {
  const size_t bucket = IndexOf(exemplar.value);
  AddTo(bucket, exemplar.value);
  ExemplarCell* cells = exemplars_.load(std::memory_order_relaxed);
  if (cells == nullptr) {
    cells = new ExemplarCell[bounds_.size() + 1];
    exemplars_.store(cells, std::memory_order_release);
  }
  cells[bucket].Put(exemplar);
}

uint64_t Histogram::count() const {
  uint64_t count = 0;
  for (size_t i = 0; i <= bounds_.size(); ++i) count += buckets_[i].value();
  return count;
}

Registry::Registry(size_t budget) : budget_(budget), tables_(std::make_unique<Tables>()) {}

Registry::~Registry() = default;

bool Registry::HasRoom(const Family& family, std::string_view owner) const {
  if (family.spec.rows_by == RowsBy::kConfiguration) return true;
  if (family.rows.size() >= budget_) return false;
  const auto share = owner.empty() ? family.shares.end() : family.shares.find(owner);
  return share == family.shares.end() || share->second < budget_ / kOwnersInBudget;
}

Registry::Row& Registry::FindOrMake(const FamilySpec& spec, LabelValues labels,
                                    const Account& account) {
  assert(labels.size() == spec.labels.size());
  std::lock_guard lock(mutex_);
  Family& family = tables_->families.try_emplace(spec.name, Family{spec, {}, {}}).first->second;
  if (const auto known = family.rows.find(labels); known != family.rows.end()) return known->second;
  const bool has_room = HasRoom(family, account.owner);
  if (!has_room)
    labels = account.overflow.size() == 0 ? LabelValues::Other(labels.size()) : account.overflow;
  const auto [row, is_new] = family.rows.try_emplace(std::move(labels));
  if (!is_new) return row->second;
  if (spec.kind == MetricKind::kHistogram)
    row->second.histogram = std::make_unique<Histogram>(spec.bounds);
  if (has_room && !account.owner.empty()) {
    row->second.share = &*family.shares.try_emplace(std::string(account.owner)).first;
    ++row->second.share->second;
  }
  return row->second;
}

Counter& Registry::CounterRow(const FamilySpec& spec, LabelValues values, const Account& account) {
  assert(spec.kind == MetricKind::kCounter);
  return FindOrMake(spec, std::move(values), account).counter;
}

Gauge& Registry::GaugeRow(const FamilySpec& spec, LabelValues values) {
  assert(spec.kind == MetricKind::kGauge);
  return FindOrMake(spec, std::move(values)).gauge;
}

Histogram& Registry::HistogramRow(const FamilySpec& spec, LabelValues values,
                                  const Account& account) {
  assert(spec.kind == MetricKind::kHistogram);
  return *FindOrMake(spec, std::move(values), account).histogram;
}

void Registry::Forget(const FamilySpec& spec) {
  assert(spec.kind == MetricKind::kGauge);
  std::lock_guard lock(mutex_);
  tables_->families.erase(spec.name);
}

void Registry::FreeRetired() {
  std::lock_guard lock(mutex_);
  tables_->retired.clear();
}

}  // namespace tulle::telemetry
