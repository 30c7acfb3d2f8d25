// What the xDS server serves: the mesh's resources, to nodes bound to their SVIDs. Knows which
// nodes are connected: for the API, and for the rotation of the root, which waits for them.
// Owner: main; outlives the AdsServer. Thread: the loop's.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "control-plane/api/api.h"
#include "control-plane/insight/event_book.h"
#include "control-plane/server/certificate_uses.h"
#include "control-plane/server/control_plane.h"
#include "control-plane/snapshot/older_sidecars.h"
#include "net/loop/loop.h"
#include "xds/server/ads_server.h"

namespace tulle::server {

class XdsSource : public xds::Source, public ProxySource {
 public:
  // Observes the mesh builder and becomes the control plane's proxy source. `plane` outlives this.
  XdsSource(loop::Loop& loop, ControlPlane& plane);
  ~XdsSource() override;
  // Once, before the first stream.
  void Serve(xds::AdsServer* ads) { ads_ = ads; }

  // kUnauthenticated without an SVID; kPermissionDenied when the node is another identity's
  // instance. An instance that is not registered gets the trust bundle. One whose lease has ended
  // keeps what it has and still gets changes, those of policies for its own ports too: a proxy that
  // is connected is alive, even if its heartbeats are missing.
  absl::StatusOr<std::shared_ptr<const xds::View>> ViewFor(
      const envoy::config::core::v3::Node& node, const Transport& peer) override;
  void OnDisconnected(const std::string& node_id) override;
  void OnRejections(const std::string& node_id) override;
  // Sidecars may be told of the roots again: see SharedResources::SetServesSecrets().
  void PublishRoots();
  // Whatever they have acknowledged, sidecars are told of the roots again.
  void ResendRoots();

  // ProxySource. Proxies() from the first one, and ProxyNamed(), bring the mesh up to date, so that
  // a proxy is shown as synced only if it has accepted what follows from everything that was told
  // until now.
  std::vector<api::ProxyStatus> Proxies(const Range& range) override;
  std::optional<api::ProxyStatus> ProxyNamed(const std::string& name) override;
  std::optional<snapshot::ResourceTable> ConfigOf(const std::string& proxy,
                                                  std::string_view type_url) override;
  std::string ProxyAt(const std::string& address, const std::string& spiffe_id) const override;
  Counts counts() const override { return {connected_, rejecting_, shared_certificates_}; }

 private:
  struct Node {
    std::string spiffe_id;
    std::string address;
    int64_t connected_since = 0;
    int64_t certificate_not_after = 0;
    std::string certificate_sha256;
    std::string certificate_issuer;  // ca::IssuerOf()
    std::string program;             // by its own word: "tulle 0.1.0"
    std::string also_used_by;        // "NODE at HOST": its certificate is in use there too
    bool is_connected = false;
    bool lacks_certificate = false;    // an Envoy that was not told where to read one
    std::set<std::string> rejections;  // that were logged and still hold
  };
  using Nodes = std::map<std::string, Node>;  // by node id

  absl::Status Admit(const std::string& id, const std::string& spiffe_id) const;
  void NoteConnected(const std::string& id, const Transport& peer, Node* node);
  void NoteUse(const std::string& id, const std::string& host, Node* node);
  void Forget(Nodes::iterator node);
  void Uncount(const std::string& spiffe_id);
  void OnUpdate(const MeshUpdate& update);
  void NoteEvent(insight::Event::Type type, const char* reason, const std::string& id,
                 const Node& node, std::string message) const;
  api::ProxyStatus StatusOf(const std::string& id, api::ControlPlaneView::Detail detail) const;
  bool IsSynced(const std::string& id) const;
  // Tells a rotation of the root who has acknowledged the new one.
  void WatchRotation();
  // The version of the trust bundle that must be acknowledged; empty: not known yet.
  std::string WantedRoots() const;

  ControlPlane& plane_;
  xds::AdsServer* ads_ = nullptr;
  Nodes nodes_;
  snapshot::OlderResources older_;
  std::map<std::string, std::string> node_at_;         // of those that are connected, by address
  std::map<std::string, discovery::Workload> former_;  // lease ended while connected, by node id
  std::map<std::string, size_t> nodes_of_;             // how many, by SPIFFE ID
  CertificateUses uses_;
  size_t shared_certificates_ = 0;
  size_t connected_ = 0;
  size_t rejecting_ = 0;
  std::unique_ptr<loop::Timer> watch_;
};

}  // namespace tulle::server
