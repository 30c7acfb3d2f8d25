// The resources of an API group whose objects are policies: lists and watches them, has the
// policies brought up to date after each change, and their status written. Owner: GatewayApi,
// PolicyApi. Thread: the loop's. Order: Watch() any time, Publish() once.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "control-plane/discovery/mesh_source.h"
#include "control-plane/kubernetes/feed.h"
#include "control-plane/kubernetes/policy_outcome.h"
#include "control-plane/kubernetes/status_writer.h"
#include "control-plane/policy/kinds.h"
#include "k8s/api/client.h"
#include "net/loop/loop.h"
#include "telemetry/log.h"

namespace tulle::kubernetes {

class PolicyFeeds {
 public:
  struct Parts {
    // Brings the policies up to date.
    std::function<PolicyOutcome()> update;
    // The write of an object's status. Nullopt: it is as it should be.
    std::function<std::optional<k8s::Request>(const policy::DocumentKey&)> status;
    std::function<bool()> is_leader;
    // A listing is complete, or refused for good; may be told again.
    std::function<void()> on_listed;
  };
  // References outlive this.
  PolicyFeeds(loop::Loop& loop, k8s::Client& client, discovery::MeshSink& mesh, telemetry::Log& log,
              Parts parts);

  using Put = std::function<void(const k8s::ObjectKey&, const k8s::Json&)>;
  using Remove = std::function<void(const k8s::ObjectKey&)>;
  // `name`: "httproutes". `path` ends with it.
  void Watch(const std::string& name, const std::string& path, Put put, Remove remove);
  // False: it is not watched.
  bool Drop(const std::string& name) { return feeds_.erase(name) > 0; }

  bool Has(const std::string& name) const { return feeds_.contains(name); }
  // Whether all of this kind are known.
  bool Serves(policy::Kind kind) const;
  bool all_synced() const;
  // All are synced, or refused for good.
  bool all_settled() const;

  void Publish();
  // Nothing happens before Publish(), nor while a listing is not complete: it could miss the grant
  // that a route needs, or an older policy that defines the same.
  void Update();
  void WriteStatus() { writer_.Write(); }

 private:
  loop::Loop& loop_;
  k8s::Client& client_;
  discovery::MeshSink& mesh_;
  telemetry::Log& log_;
  const Parts parts_;
  StatusWriter writer_;
  std::map<std::string, std::unique_ptr<Feed>> feeds_;
  bool is_published_ = false;
};

}  // namespace tulle::kubernetes
