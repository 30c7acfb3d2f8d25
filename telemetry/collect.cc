// Adds up rows over registries.
#include <algorithm>
#include <map>
#include <utility>

#include "telemetry/metrics.h"
#include "telemetry/registry_rows.h"

namespace tulle::telemetry {
namespace {

bool IsWanted(const FamilySpec& family, std::span<const FamilySpec* const> only) {
  if (only.empty()) return family.is_scraped;
  return std::any_of(only.begin(), only.end(),
                     [&](const FamilySpec* spec) { return spec->name == family.name; });
}

// The latest ones.
void AddExemplars(Sample& sample, const Histogram& histogram) {
  if (!histogram.has_exemplars()) return;
  sample.exemplars.resize(sample.buckets.size());
  for (size_t i = 0; i < sample.exemplars.size(); ++i) {
    const Exemplar exemplar = histogram.exemplar(i);
    if (exemplar.unix_ms > sample.exemplars[i].unix_ms) sample.exemplars[i] = exemplar;
  }
}

void AddTo(Sample& sample, const Histogram& histogram) {
  sample.buckets.resize(histogram.bounds().size() + 1);
  for (size_t i = 0; i < sample.buckets.size(); ++i) sample.buckets[i] += histogram.bucket(i);
  sample.value += histogram.sum();
  AddExemplars(sample, histogram);
}

}  // namespace

std::vector<FamilySamples> Collect(std::span<const Registry* const> registries,
                                   std::span<const FamilySpec* const> only) {
  struct Sum {
    FamilySpec spec;
    std::map<LabelValues, Sample> samples;
  };
  std::map<std::string_view, Sum> sums;
  for (const Registry* registry : registries) {
    std::lock_guard lock(registry->mutex_);
    for (const auto& [name, family] : registry->tables_->families) {
      if (!IsWanted(family.spec, only)) continue;
      Sum& sum = sums[name];
      sum.spec = family.spec;
      for (const auto& [labels, row] : family.rows) {
        Sample& sample = sum.samples[labels];
        sample.count += row.counter.value();
        sample.value += row.gauge.value();
        if (row.histogram != nullptr) AddTo(sample, *row.histogram);
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
