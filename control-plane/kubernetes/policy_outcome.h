// What RouteBook::Update() and ClusterPolicies::Update() have done. The mesh was told, except
// MeshSink::OnChange().
#pragma once

#include <string>
#include <vector>

#include "control-plane/policy/model.h"

namespace tulle::kubernetes {

struct PolicyOutcome {
  bool has_changed = false;                    // OnChange() is due
  std::vector<policy::DocumentKey> documents;  // whose status may differ since the last call
  std::vector<std::string> refused;            // newly, or for another reason: one line each
};

}  // namespace tulle::kubernetes
