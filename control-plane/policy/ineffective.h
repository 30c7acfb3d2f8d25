// What the policies say to no effect: targets and backends that nobody serves, HTTP's fields where
// bytes are spoken, names that belong to another. None of it is a mistake in itself (a Service may
// come later), so it is told to its writer and not refused.
// Pure; any thread. Linked into the CLI: knows services by what its caller has learnt of them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "control-plane/policy/model.h"
#include "control-plane/policy/policy_set.h"

namespace tulle::policy {

// The ports at which workloads serve a service, and what is spoken there.
struct KnownService {
  std::map<uint32_t, Protocol> ports;

  bool operator==(const KnownService&) const = default;
};

using KnownServices = std::map<ServiceName, KnownService>;

struct Ineffective {
  DocumentKey policy;
  std::string field;    // path as one would write it: spec.rules[0].backendRefs[1]
  std::string message;  // what has no effect, and why
  std::string hint;     // what to do

  bool operator==(const Ineffective&) const = default;
};

// Ordered by policy, then as its fields are written.
std::vector<Ineffective> FindIneffective(const PolicySet& policies, const KnownServices& services);

// "HTTPRoute default/shop: spec.parentRefs[0]: no workload serves Service default/pots; did you
// mean post? ..."
std::string ToText(const Ineffective& ineffective);

}  // namespace tulle::policy
