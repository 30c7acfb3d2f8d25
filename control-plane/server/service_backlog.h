// Services whose resources are to be made anew, in the order in which clients can use them: first
// those that are new, then those that have changed and may lead to the new ones, at last those that
// are gone and that nothing names any more. Pure. Owner: MeshBuilder.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>

#include "control-plane/discovery/live_mesh.h"

namespace tulle::server {

class ServiceBacklog {
 public:
  using Scope = discovery::MeshChanges::Scope;
  using Scopes = std::map<discovery::ServiceName, Scope>;
  enum class Stage { kNew, kChanged, kGone };

  // Its stage is the present one, its scope covers all since it was added.
  void Add(const discovery::ServiceName& name, Scope scope, Stage stage) {
    for (Scopes& services : stages_) {
      const auto former = services.find(name);
      if (former == services.end()) continue;
      scope = scope | former->second;
      services.erase(former);
    }
    stages_[static_cast<size_t>(stage)].emplace(name, scope);
  }
  // At most `most` of those whose turn it is.
  Scopes Take(size_t most) {
    Scopes taken;
    for (Scopes& services : stages_) {
      while (!services.empty() && taken.size() < most) {
        taken.insert(services.extract(services.begin()));
      }
    }
    return taken;
  }
  bool has_new() const { return !stages_[0].empty(); }
  bool empty() const {
    return std::all_of(stages_.begin(), stages_.end(),
                       [](const Scopes& services) { return services.empty(); });
  }

 private:
  std::array<Scopes, 3> stages_;  // by Stage
};

}  // namespace tulle::server
