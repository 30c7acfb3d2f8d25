// How many reviews of tokens may be under way, for each source address and altogether. A source may
// begin one while it has fewer than half of what is free: so a single one gets a third of the
// places, several get less each, and there is room for one that comes later.
// Owner: whoever asks for reviews. Thread: the loop's. Source of the rule: Choudhury and Hahne,
// "Dynamic queue length thresholds for shared-memory packet switches", 1998.
#pragma once

#include <cstddef>
#include <map>
#include <string>

namespace tulle::kubernetes {

class ReviewShares {
 public:
  explicit ReviewShares(size_t most) : most_(most) {}

  bool HasRoom(const std::string& source) const {
    const auto found = by_source_.find(source);
    return total_ < most_ && 2 * (found == by_source_.end() ? 0 : found->second) < most_ - total_;
  }
  void Begin(const std::string& source) {
    ++by_source_[source];
    ++total_;
  }
  // REQUIRES: Begin() of the same source.
  void End(const std::string& source) {
    const auto found = by_source_.find(source);
    if (--found->second == 0) by_source_.erase(found);
    --total_;
  }
  size_t total() const { return total_; }

 private:
  const size_t most_;
  size_t total_ = 0;
  std::map<std::string, size_t> by_source_;  // none is 0
};

}  // namespace tulle::kubernetes
