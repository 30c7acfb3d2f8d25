// What the mesh is built from. A source knows workloads, policies, or both. Today the registry
// tells the workloads (server::RegistrySource) and the control plane passes on the policies of its
// store; Kubernetes will be another source. Sources write into one MeshSink, which is the mesh.
// What they write takes effect with MeshBuilder::OnChange().
//
// What a source must tell: everything it knows when it starts, then each change, in the order in
// which it happened. A workload is told whole each time, also when only its health has changed; it
// belongs to the source that told it, and ids are unique over all sources. Policies are told as a
// whole set by the one source that owns them.
//
// A source that is half synced tells nothing: it collects until its first listing is complete and
// tells that in one go. When it loses its connection it keeps silent; after that it tells the
// difference, removals included. What no source has told does not exist, and clients are told to
// drop it: a source must have told its first listing before MeshBuilder::Start(), as the registry
// does with what it restores. Nothing waits for a source that cannot do that: Start() has to learn
// to when there is one.
//
// Thread: the loop's. Errors: none, a source passes on only what it has validated.
#pragma once

#include <string>

#include "control-plane/discovery/mesh.h"
#include "control-plane/policy/policy_set.h"

namespace tulle::discovery {

class MeshSink {
 public:
  virtual ~MeshSink() = default;
  virtual void PutWorkload(Workload workload) = 0;
  // An id that is unknown changes nothing.
  virtual void RemoveWorkload(const std::string& id) = 0;
  virtual void SetPolicies(policy::PolicySet policies) = 0;
};

}  // namespace tulle::discovery
