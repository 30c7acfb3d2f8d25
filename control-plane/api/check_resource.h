// /v1/check: problems of the mesh, and the commands that solve them. For this package only.
// Owner: the Api; the parts outlive it. Thread: the Api's.
#pragma once

#include "control-plane/api/route.h"

namespace tulle::api {

class CheckResource {
 public:
  CheckResource(const ControlPlaneView* view, const discovery::PolicyBook* policies,
                const ca::MeshAuthority* authority, const ca::JoinTokens* tokens,
                const store::Store* store)
      : view_(view), policies_(policies), authority_(authority), tokens_(tokens), store_(store) {}

  Routes routes();

  // Of one run.
  class Findings;

 private:
  ApiResponse Run(const Call& call);
  void CheckMesh(int64_t now, Findings* findings) const;

  const ControlPlaneView* view_;
  const discovery::PolicyBook* policies_;
  const ca::MeshAuthority* authority_;
  const ca::JoinTokens* tokens_;
  const store::Store* store_;  // may be null
};

}  // namespace tulle::api
