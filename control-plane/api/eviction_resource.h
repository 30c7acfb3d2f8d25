// /v1/evictions: ends the workloads of an identity, whoever holds its key. For this package only.
// Owner: the Api; the parts outlive it. Thread: the Api's.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "control-plane/api/route.h"

namespace tulle::api {

class EvictionResource {
 public:
  // `remove_workloads` removes the registrations of a SPIFFE ID and returns their instances.
  using RemoveWorkloads = std::function<std::vector<std::string>(const std::string& spiffe_id)>;

  EvictionResource(ca::MeshAuthority* authority, ca::JoinTokens* tokens,
                   RemoveWorkloads remove_workloads, std::function<void()> on_change)
      : authority_(authority),
        tokens_(tokens),
        remove_workloads_(std::move(remove_workloads)),
        on_change_(std::move(on_change)) {}

  Routes routes();

 private:
  ApiResponse Evict(const Call& call);

  ca::MeshAuthority* authority_;
  ca::JoinTokens* tokens_;
  RemoveWorkloads remove_workloads_;
  std::function<void()> on_change_;
};

}  // namespace tulle::api
