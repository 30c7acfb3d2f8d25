// A workload as metrics name it: that of this sidecar, or a peer.
#pragma once

#include <string>

#include "certs/workload_labels.h"

namespace tulle::proxy {

// Empty: not known.
struct Workload {
  std::string name;
  std::string namespace_name;
  std::string spiffe_id;
  std::string app = {};
  std::string version = {};
  std::string cluster = {};
  std::string canonical_service = {};
  std::string canonical_revision = {};
};

// Of spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT; an ID of another form has no names. Source: Istio's
// canonical service and revision.
Workload WorkloadOf(std::string spiffe_id, const certs::WorkloadLabels& labels = {});

}  // namespace tulle::proxy
