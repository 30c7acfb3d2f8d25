// Series that no registry has changed for a while: found by comparing counts, so that counting
// costs nothing.
#include <algorithm>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "telemetry/metrics.h"
#include "telemetry/registry_rows.h"

namespace tulle::telemetry {

// One sweep over one family. Locks all registries: only here is more than one lock held, and
// owners hold none but their own.
class IdleRows {
 public:
  IdleRows(std::span<Registry* const> registries, std::string_view family, uint32_t sweep) {
    for (Registry* registry : registries) {
      locks_.emplace_back(registry->mutex_);
      const auto found = registry->tables_->families.find(family);
      if (found == registry->tables_->families.end()) continue;
      parts_.push_back({*registry->tables_, found->second, found->second.rows});
      for (auto& [labels, row] : found->second.rows) Look(row, sweep);
    }
  }

  bool Retire(uint32_t changed_before) {
    bool some = false;
    for (const Part& part : parts_) {
      for (auto row = part.rows.begin(); row != part.rows.end();) {
        const auto next = std::next(row);
        if (row->second.changed < changed_before && IsIdle(row->first, changed_before)) {
          TakeOut(row->first);
          some = true;
        }
        row = next;
      }
    }
    return some;
  }

 private:
  using Rows = std::map<LabelValues, Registry::Row>;
  struct Part {
    Registry::Tables& tables;
    Registry::Family& family;
    Rows& rows;
  };

  static void Look(Registry::Row& row, uint32_t sweep) {
    const uint64_t count = row.histogram == nullptr ? row.counter.value() : row.histogram->count();
    if (count == row.seen && row.changed != 0) return;
    row.seen = count;
    row.changed = sweep;
  }

  bool IsIdle(const LabelValues& labels, uint32_t changed_before) const {
    return std::all_of(parts_.begin(), parts_.end(), [&](const Part& part) {
      const auto row = part.rows.find(labels);
      return row == part.rows.end() || row->second.changed < changed_before;
    });
  }

  // By value: the labels of the row that goes first.
  void TakeOut(const LabelValues labels) {
    for (const Part& part : parts_) {
      auto node = part.rows.extract(labels);
      if (!node) continue;
      GiveBack(node.mapped(), part.family.shares);
      part.tables.retired.push_back(std::move(node));
    }
  }

  static void GiveBack(Registry::Row& row, Shares& shares) {
    Shares::value_type* share = std::exchange(row.share, nullptr);
    if (share != nullptr && --share->second == 0) shares.erase(share->first);
  }

  std::vector<std::unique_lock<std::mutex>> locks_;
  std::vector<Part> parts_;
};

bool RetireIdle(std::span<Registry* const> registries, std::span<const FamilySpec* const> families,
                uint32_t sweep, uint32_t most_sweeps) {
  bool some = false;
  for (const FamilySpec* family : families) {
    IdleRows rows(registries, family->name, sweep);
    if (sweep > most_sweeps) some = rows.Retire(sweep - most_sweeps + 1) || some;
  }
  return some;
}

}  // namespace tulle::telemetry
