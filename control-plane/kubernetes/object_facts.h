// What the status of a policy's object depends on, whatever its kind, and conditions as Kubernetes
// writes them. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>

#include "control-plane/kubernetes/objects.h"

namespace tulle::kubernetes {

struct ObjectFacts {
  std::string uid;
  std::string version;  // metadata.resourceVersion
  int64_t generation = 0;
  int64_t created_at = 0;  // Unix seconds

  static ObjectFacts Of(const Json& object);
  // A new version of which only the status differs, as after each of our own writes.
  bool HasSameSpecAs(const ObjectFacts& other) const {
    return generation != 0 && generation == other.generation && uid == other.uid;
  }
};

struct Condition {
  std::string type;
  bool is_true = true;
  std::string reason;
  std::string message;
};

// `former`: the conditions as they are. lastTransitionTime stays while the status is the same.
// `now`: RFC 3339.
Json ConditionFor(const Condition& condition, const Json& former, int64_t generation,
                  const std::string& now);

}  // namespace tulle::kubernetes
