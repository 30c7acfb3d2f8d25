// Rows of metrics, and adding them up over registries.
#include "telemetry/metrics.h"

#include <algorithm>
#include <cassert>
#include <optional>
#include <utility>

namespace tulle::telemetry {
namespace {

using Labels = std::vector<std::string>;

Labels CleanLabels(std::span<const std::string_view> values) {
  Labels labels;
  labels.reserve(values.size());
  for (const std::string_view value : values) {
    labels.emplace_back(value.empty() ? std::string_view("unknown")
                                      : value.substr(0, Registry::kLongestValue));
  }
  return labels;
}

bool IsWanted(std::string_view name, std::span<const FamilySpec* const> only) {
  return only.empty() || std::any_of(only.begin(), only.end(),
                                     [name](const FamilySpec* spec) { return spec->name == name; });
}

void AddTo(Sample& sample, const Histogram& histogram) {
  sample.buckets.resize(histogram.bounds().size() + 1);
  for (size_t i = 0; i < sample.buckets.size(); ++i) sample.buckets[i] += histogram.bucket(i);
  sample.value += histogram.sum();
}

}  // namespace

void Histogram::Record(double value) {
  const auto above = std::lower_bound(bounds_.begin(), bounds_.end(), value);
  buckets_[static_cast<size_t>(above - bounds_.begin())].Add();
  sum_.Add(value);
}

struct Registry::Row {
  Counter counter;
  Gauge gauge;
  std::optional<Histogram> histogram;
};

struct Registry::Family {
  FamilySpec spec;
  std::map<Labels, Row> rows;  // nodes never move
};

Registry::Registry(size_t budget) : budget_(budget) {}

Registry::~Registry() = default;

Registry::Row& Registry::FindOrMake(const FamilySpec& spec,
                                    std::span<const std::string_view> values) {
  assert(values.size() == spec.labels.size());
  Labels labels = CleanLabels(values);
  std::lock_guard lock(mutex_);
  std::unique_ptr<Family>& family = families_[spec.name];
  if (family == nullptr) family = std::make_unique<Family>(Family{spec, {}});
  auto found = family->rows.find(labels);
  if (found == family->rows.end()) {
    if (family->rows.size() >= budget_) labels.assign(labels.size(), "other");
    found = family->rows.try_emplace(std::move(labels)).first;
    Row& row = found->second;
    if (spec.kind == MetricKind::kHistogram && !row.histogram) row.histogram.emplace(spec.bounds);
  }
  return found->second;
}

Counter& Registry::CounterRow(const FamilySpec& spec, std::span<const std::string_view> values) {
  assert(spec.kind == MetricKind::kCounter);
  return FindOrMake(spec, values).counter;
}

Gauge& Registry::GaugeRow(const FamilySpec& spec, std::span<const std::string_view> values) {
  assert(spec.kind == MetricKind::kGauge);
  return FindOrMake(spec, values).gauge;
}

Histogram& Registry::HistogramRow(const FamilySpec& spec,
                                  std::span<const std::string_view> values) {
  assert(spec.kind == MetricKind::kHistogram);
  return *FindOrMake(spec, values).histogram;
}

void Registry::Forget(const FamilySpec& spec) {
  assert(spec.kind == MetricKind::kGauge);
  std::lock_guard lock(mutex_);
  families_.erase(spec.name);
}

std::vector<FamilySamples> Collect(std::span<const Registry* const> registries,
                                   std::span<const FamilySpec* const> only) {
  struct Sum {
    FamilySpec spec;
    std::map<Labels, Sample> samples;
  };
  std::map<std::string_view, Sum> sums;
  for (const Registry* registry : registries) {
    std::lock_guard lock(registry->mutex_);
    for (const auto& [name, family] : registry->families_) {
      if (!IsWanted(name, only)) continue;
      Sum& sum = sums[name];
      sum.spec = family->spec;
      for (const auto& [labels, row] : family->rows) {
        Sample& sample = sum.samples[labels];
        sample.count += row.counter.value();
        sample.value += row.gauge.value();
        if (row.histogram) AddTo(sample, *row.histogram);
      }
    }
  }
  std::vector<FamilySamples> families;
  families.reserve(sums.size());
  for (auto& [name, sum] : sums) {
    FamilySamples& family = families.emplace_back(FamilySamples{sum.spec, {}});
    for (auto& [labels, sample] : sum.samples) {
      sample.labels = labels;
      family.samples.push_back(std::move(sample));
    }
  }
  return families;
}

}  // namespace tulle::telemetry
