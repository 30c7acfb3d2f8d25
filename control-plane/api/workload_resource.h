// /v1/workloads: what is registered, and workloads that are registered by hand, since their proxy
// does not do it itself (Envoy). For this package only. Owner: the Api. Thread: the Api's.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "control-plane/api/route.h"

namespace tulle::api {

class WorkloadResource {
 public:
  using Register = std::function<absl::Status(discovery::Workload)>;
  using Remove = std::function<absl::Status(const std::string& instance)>;
  // Both outlive this; the functions may be unset.
  WorkloadResource(const ControlPlaneView* view, const ca::MeshAuthority* authority,
                   Register register_workload, Remove remove_workload)
      : view_(view),
        authority_(authority),
        register_(std::move(register_workload)),
        remove_(std::move(remove_workload)) {}

  Routes routes();

 private:
  ApiResponse List(const Call& call);
  ApiResponse Create(const Call& call);
  ApiResponse Delete(const Call& call);

  const ControlPlaneView* view_;
  const ca::MeshAuthority* authority_;
  const Register register_;
  const Remove remove_;
};

}  // namespace tulle::api
