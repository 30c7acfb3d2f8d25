// What the xDS server serves: the snapshots of the mesh, to nodes bound to their SVIDs. Keeps book
// of who is connected: for the API, and for the rotation of the root, which waits for them. Owner:
// main; outlives the AdsServer. Thread: the loop's.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "control-plane/api/api.h"
#include "control-plane/server/control_plane.h"
#include "control-plane/snapshot/snapshot.h"
#include "net/loop/loop.h"
#include "xds/server/ads_server.h"

namespace tulle::server {

class XdsSource : public xds::Source {
 public:
  // Takes the control plane's version observer and proxy source. `plane` outlives this.
  XdsSource(loop::Loop& loop, ControlPlane& plane);
  ~XdsSource() override;
  // Once, before the first stream.
  void Serve(xds::AdsServer* ads) { ads_ = ads; }

  // kUnauthenticated without an SVID; kPermissionDenied when the node is another identity's
  // instance. An instance that is not registered gets the trust bundle; one whose lease has ended
  // keeps what it had, and gets new roots: a proxy that is connected is alive, whatever its
  // heartbeats say.
  absl::StatusOr<std::shared_ptr<const xds::View>> ViewFor(
      const envoy::config::core::v3::Node& node, const Transport& peer) override;
  void OnAnswer() override { Observe(); }

  std::vector<api::ProxyStatus> Proxies();

 private:
  struct Node {
    std::string spiffe_id;
    std::string address;
    int64_t connected_since = 0;
    int64_t certificate_not_after = 0;
    std::string certificate_sha256;
    bool is_connected = true;
    bool is_on_demand = false;
    std::shared_ptr<const snapshot::Snapshot> view;
    int64_t view_version = -1;
    std::set<std::string> rejections;  // that were logged and still hold
  };

  // Tells the rotation who is there and who has acknowledged.
  void Observe();
  void LogRejections(const xds::StreamStatus& stream, Node* node);
  size_t CountOf(const std::string& spiffe_id) const;
  const snapshot::ResourceTable& Roots();
  std::shared_ptr<const snapshot::Snapshot> KeptView(Node* node);
  bool HasAcknowledgedRoots(const xds::StreamStatus& stream);

  ControlPlane& plane_;
  xds::AdsServer* ads_ = nullptr;
  std::map<std::string, Node> nodes_;  // by node id
  std::unique_ptr<loop::Timer> watch_;
  snapshot::ResourceTable roots_;
  int64_t roots_of_ = -1;  // the mesh's version
};

}  // namespace tulle::server
