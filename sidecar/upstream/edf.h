#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace tulle::upstream {

// Earliest deadline first over indexes 0 to n-1: each choice moves the chosen deadline by 1/weight,
// so that heavier ones are chosen more often and no index is chosen in a burst. A choice costs
// O(log n) and does not allocate. Thread: one.
class Edf {
 public:
  void Clear() { entries_.clear(); }
  bool empty() const { return entries_.empty(); }
  // `phase` in [0, 1]: where in its first period it begins; 1: as if it had just been chosen.
  void Add(uint32_t index, double weight, double phase) {
    entries_.push_back({now_ + phase / weight, order_++, index});
    std::push_heap(entries_.begin(), entries_.end());
  }
  // `weight_of(index)` returns the new weight of the chosen index. Must not be empty.
  template <typename WeightOf>
  uint32_t Choose(WeightOf weight_of) {
    std::pop_heap(entries_.begin(), entries_.end());
    Entry& chosen = entries_.back();
    const uint32_t index = chosen.index;
    now_ = chosen.at;
    chosen.at += 1 / weight_of(index);
    chosen.order = order_++;
    std::push_heap(entries_.begin(), entries_.end());
    return index;
  }

 private:
  struct Entry {
    double at;
    uint32_t order;  // ties: the one that waited longer
    uint32_t index;
    bool operator<(const Entry& other) const {  // for a heap with the earliest on top
      return at != other.at ? at > other.at : order > other.order;
    }
  };

  std::vector<Entry> entries_;
  double now_ = 0;
  uint32_t order_ = 0;
};

}  // namespace tulle::upstream
