// The roots of the mesh with their keys, and the JSON as which they are kept in the store and, with
// the evictions, shared by replicas. Contains private keys: never log a record. Plain values; any
// thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "certs/authority.h"
#include "control-plane/ca/evictions.h"
#include "control-plane/ca/root_rotation.h"

namespace tulle::ca {

// A root that no longer signs, whose key is deleted, and how it vouched for its successor.
struct FormerRoot {
  std::string certificate_pem;
  std::string successor_pem;
  int64_t until = 0;  // the last token that names it ends; 0: the rotation is still on
};

struct Roots {
  std::vector<certs::Authority> active;  // one, or the old and the new
  std::vector<FormerRoot> former;        // oldest first, each vouched for by the one before
  RotationPhase phase = RotationPhase::kSteady;
  int64_t since = 0;
  Evictions evictions = {};  // of shared roots
  // Of shared roots: each change has the next one. 0: a version of Tulle wrote them that does not
  // count.
  int64_t generation = 0;

  // Whether no certificate of theirs can be valid at that time.
  bool have_ended(int64_t now) const;
};

std::string ToRecord(const Roots& roots);
// kDataLoss: it is not JSON. kUnimplemented: a later version may understand it. The message
// contains nothing of the record.
absl::StatusOr<Roots> ParseRoots(const std::string& record);

}  // namespace tulle::ca
