#include "sidecar/upstream/ring.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "net/hash/xx_hash.h"

namespace tulle::upstream {
namespace {

struct Member {
  uint32_t index;
  double weight;  // of 1 over the priority
};

std::string KeyOf(const EndpointSpec& endpoint, const RingSpec& spec) {
  if (!endpoint.hash_key.empty()) return endpoint.hash_key;
  if (spec.by_hostname && !endpoint.hostname.empty()) return endpoint.hostname;
  return endpoint.address.ToString();
}

std::vector<Member> MembersOf(const EndpointSet& set, uint32_t priority, bool locality_weighted) {
  std::vector<double> of_locality(set.localities.size());
  for (const EndpointSpec& one : set.endpoints) {
    if (one.locality < of_locality.size()) of_locality[one.locality] += one.weight;
  }
  std::vector<Member> members;
  double sum = 0;
  for (uint32_t i = 0; i < set.endpoints.size(); ++i) {
    const EndpointSpec& one = set.endpoints[i];
    if (one.priority != priority) continue;
    double weight = one.weight;
    if (locality_weighted && one.locality < of_locality.size())
      weight *= set.localities[one.locality].weight / of_locality[one.locality];
    if (weight <= 0) continue;
    members.push_back({i, weight});
    sum += weight;
  }
  for (Member& member : members) member.weight /= sum;
  return members;
}

// Envoy's arithmetic: the lightest endpoint gets a whole number of points, and fractions are
// carried over to the next endpoint.
Ring::Points PointsOf(const EndpointSet& set, const RingSpec& spec,
                      const std::vector<Member>& members) {
  Ring::Points points;
  if (members.empty()) return points;
  double least = 1;
  for (const Member& member : members) least = std::min(least, member.weight);
  const double scale = std::min(std::ceil(least * static_cast<double>(spec.min_size)) / least,
                                static_cast<double>(spec.max_size));
  std::vector<std::pair<uint64_t, uint32_t>> sorted;
  sorted.reserve(static_cast<size_t>(std::ceil(scale)));
  double made = 0;
  double wanted = 0;
  for (const Member& member : members) {
    std::string key = KeyOf(set.endpoints[member.index], spec) + "_";
    const size_t stem = key.size();
    wanted += scale * member.weight;
    for (uint64_t i = 0; made < wanted; ++i, ++made) {
      key.resize(stem);
      key += std::to_string(i);
      sorted.emplace_back(hash::XxHash64(key), member.index);
    }
  }
  std::sort(sorted.begin(), sorted.end());
  for (const auto& [hash, index] : sorted) {
    points.hashes.push_back(hash);
    points.endpoints.push_back(index);
  }
  return points;
}

}  // namespace

size_t Ring::Points::At(uint64_t hash) const {
  const auto found = std::lower_bound(hashes.begin(), hashes.end(), hash);
  return found == hashes.end() ? 0 : static_cast<size_t>(found - hashes.begin());
}

Ring::Ring(const EndpointSet& set, const RingSpec& spec, bool locality_weighted) {
  uint32_t priorities = 0;
  for (const EndpointSpec& one : set.endpoints) priorities = std::max(priorities, one.priority + 1);
  for (uint32_t priority = 0; priority < priorities; ++priority)
    priorities_.push_back(PointsOf(set, spec, MembersOf(set, priority, locality_weighted)));
}

}  // namespace tulle::upstream
