// Which routes apply to a port, for those who ask for many routes of one Service: each port is
// looked up once, not once for each of its routes. Owner: a caller on its stack; the index outlives
// it. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>

#include "control-plane/policy/policy_index.h"

namespace tulle::policy {

class RoutePrecedence {
 public:
  explicit RoutePrecedence(const PolicyIndex& index) : index_(index) {}

  // The keys of PolicyIndex::RoutesOf().
  const std::set<DocumentKey>& Of(const ServiceName& service, uint32_t port,
                                  const std::string& from) {
    const auto [entry, is_new] = known_.try_emplace({service, port, from});
    if (is_new) {
      for (const Document* route : index_.RoutesOf(service, port, from)) {
        entry->second.insert(route->key);
      }
    }
    return entry->second;
  }
  size_t lookups() const { return known_.size(); }

 private:
  const PolicyIndex& index_;
  std::map<std::tuple<ServiceName, uint32_t, std::string>, std::set<DocumentKey>> known_;
};

}  // namespace tulle::policy
