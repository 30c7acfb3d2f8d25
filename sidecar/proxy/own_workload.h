// The workload of this sidecar, as its metrics name it.
#pragma once

#include <map>
#include <string>

namespace tulle::proxy {

// Empty: not known.
struct OwnWorkload {
  std::string name;
  std::string namespace_name;
  std::string spiffe_id;
  std::string app = {};
  std::string version = {};
  std::string cluster = {};
  std::string canonical_service = {};
  std::string canonical_revision = {};
};

// Labels as those of a pod, by their key.
using WorkloadLabels = std::map<std::string, std::string>;

// Of spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT; an ID of another form has no names. Labels that tell
// nothing are ignored. Source: Istio's canonical service and revision.
OwnWorkload OwnWorkloadOf(std::string spiffe_id, const WorkloadLabels& labels = {});

}  // namespace tulle::proxy
