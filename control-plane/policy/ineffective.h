// Finds parts of policies that have no effect: targets and backends that do not exist, fields for
// requests on tcp ports, host names that belong to a Service. None of it is an error (a Service may
// be deployed later), so it becomes a warning and is not rejected. The cost grows with the number
// of policies and of services, not with their product: of each policy the first kMostIneffective
// are reported, and similar names are sought among a bounded number.
// Pure; any thread. Linked into the CLI, so services are passed in.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "control-plane/policy/model.h"
#include "control-plane/policy/policy_set.h"

namespace tulle::policy {

// The ports of a service and their protocols.
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

inline constexpr size_t kMostIneffective = 32;  // of one policy

// Ordered by policy, then by field.
std::vector<Ineffective> FindIneffective(const PolicySet& policies, const KnownServices& services);

// "HTTPRoute default/shop: spec.parentRefs[0]: Service default/pots not found; did you mean post?
// ..."
std::string ToText(const Ineffective& ineffective);

}  // namespace tulle::policy
