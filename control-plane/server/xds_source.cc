#include "control-plane/server/xds_source.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control-plane/snapshot/describe.h"
#include "envoy/config/core/v3/base.pb.h"
#include "xds/proto/type_urls.h"

namespace tulle::server {
namespace {

constexpr std::chrono::seconds kWatch{1};
constexpr size_t kMostNodes = 1000;  // of one identity, beyond those that are registered
constexpr char kRoots[] = "ROOTCA";

std::string WordOf(const std::string& type_url) {
  for (const char* word : {"listeners", "routes", "clusters", "endpoints", "secrets"}) {
    if (snapshot::TypeUrlOf(word) == type_url) return word;
  }
  return type_url;
}

// One version for all resources of a type: FNV-1a over names and versions.
class Digest {
 public:
  void Add(const std::string& text) {
    for (const char c : text) {
      value_ = (value_ ^ static_cast<unsigned char>(c)) * 1099511628211u;
    }
    value_ = (value_ ^ 0xff) * 1099511628211u;
  }
  std::string text() const { return absl::StrCat(absl::Hex(value_, absl::kZeroPad16)); }

 private:
  uint64_t value_ = 14695981039346656037u;
};

api::ProxyStatus::TypeStatus Summary(const std::string& type_url,
                                     const xds::TypeStatus& resources) {
  api::ProxyStatus::TypeStatus status;
  status.type = WordOf(type_url);
  Digest sent;
  Digest acknowledged;
  for (const auto& [name, resource] : resources) {
    sent.Add(name);
    sent.Add(resource.version);
    acknowledged.Add(name);
    acknowledged.Add(resource.delivery == xds::Delivery::kAcknowledged ? resource.version : "");
    if (resource.delivery == xds::Delivery::kRejected && status.rejection.empty()) {
      status.rejected_resource = name;
      status.rejection = resource.error.empty() ? "rejected without a reason" : resource.error;
    }
  }
  status.sent_version = sent.text();
  status.acknowledged_version = acknowledged.text();
  return status;
}

void Summarize(const xds::TypeStatuses& statuses, api::ProxyStatus* proxy) {
  proxy->types.clear();
  Digest sent;
  Digest acknowledged;
  for (const auto& [type, resources] : statuses) {
    api::ProxyStatus::TypeStatus status = Summary(type, resources);
    sent.Add(status.sent_version);
    acknowledged.Add(status.acknowledged_version);
    proxy->types.push_back(std::move(status));
  }
  proxy->sent_version = sent.text();
  proxy->acknowledged_version = acknowledged.text();
}

}  // namespace

XdsSource::XdsSource(loop::Loop& loop, ControlPlane& plane) : plane_(plane) {
  plane_.mesh_builder().SetObserver([this](const MeshUpdate& update) { OnUpdate(update); });
  plane_.SetProxySource(this);
  watch_ = loop.NewTimer([this] {
    WatchRotation();
    watch_->Start(kWatch);
  });
  watch_->Start(kWatch);
}

XdsSource::~XdsSource() {
  plane_.mesh_builder().SetObserver(nullptr);
  plane_.SetProxySource(nullptr);
}

absl::StatusOr<std::shared_ptr<const xds::View>> XdsSource::ViewFor(
    const envoy::config::core::v3::Node& node, const Transport& peer) {
  const PeerIdentity* identity = peer.peer();
  if (identity == nullptr || identity->spiffe_id.empty()) {
    return absl::UnauthenticatedError(
        "xDS requires a certificate of the mesh: get one with a join token first");
  }
  if (const absl::Status status = Admit(node.id(), identity->spiffe_id); !status.ok())
    return status;
  const auto [entry, is_new] = nodes_.try_emplace(node.id());
  NoteConnected(node.id(), peer, &entry->second);
  const snapshot::NodeView view{
      node.id(), std::find(node.client_features().begin(), node.client_features().end(),
                           xds::kOnDemandFeature) != node.client_features().end()};
  snapshot::SharedResources& shared = plane_.mesh_builder().shared();
  snapshot::OwnResources& own = plane_.mesh_builder().own();
  if (entry->second.former)
    return std::make_shared<snapshot::NodeResources>(shared, own, view, *entry->second.former);
  return std::make_shared<snapshot::NodeResources>(shared, own, view);
}

absl::Status XdsSource::Admit(const std::string& id, const std::string& spiffe_id) const {
  if (id.empty() || id.size() > 253)
    return absl::InvalidArgumentError("node.id must have 1 to 253 bytes");
  const auto& workloads = plane_.CurrentMesh().workloads;
  const auto workload = workloads.find(id);
  const auto node = nodes_.find(id);
  const bool is_known = workload != workloads.end();
  const bool is_other = is_known ? workload->second.spiffe_id != spiffe_id
                                 : node != nodes_.end() && node->second.spiffe_id != spiffe_id;
  if (is_other) {
    return absl::PermissionDeniedError(absl::StrCat("node ", id,
                                                    " belongs to another identity than ", spiffe_id,
                                                    ": use the instance id that was registered"));
  }
  if (is_known || node != nodes_.end()) return absl::OkStatus();
  const auto count = nodes_of_.find(spiffe_id);
  if (count == nodes_of_.end() || count->second < kMostNodes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      spiffe_id, " already has ", kMostNodes, " nodes: give each process one stable instance id"));
}

void XdsSource::NoteConnected(const std::string& id, const Transport& peer, Node* node) {
  const PeerIdentity& identity = *peer.peer();
  if (node->spiffe_id != identity.spiffe_id) {
    if (!node->spiffe_id.empty()) --nodes_of_[node->spiffe_id];
    ++nodes_of_[identity.spiffe_id];
  }
  node->spiffe_id = identity.spiffe_id;
  node->address = peer.PeerAddress().ToString();
  node->certificate_not_after = identity.not_after;
  node->certificate_sha256 = identity.certificate_sha256;
  plane_.authority().rotation().OnConnected(
      id, {identity.spiffe_id, identity.certificate_sha256, identity.not_after});
  if (node->is_connected) return;
  node->is_connected = true;
  node->connected_since = plane_.Now();
  ++connected_;
  plane_.log().Write(telemetry::LogLevel::kInfo, telemetry::LogComponent::kXds,
                     absl::StrCat(id, " connected (", node->spiffe_id, " at ", node->address, ")"));
}

void XdsSource::OnDisconnected(const std::string& node_id) {
  const auto node = nodes_.find(node_id);
  if (node == nodes_.end() || !node->second.is_connected) return;
  node->second.is_connected = false;
  --connected_;
  if (!std::exchange(node->second.rejections, {}).empty()) --rejecting_;
  plane_.log().Write(telemetry::LogLevel::kInfo, telemetry::LogComponent::kXds,
                     absl::StrCat(node_id, " disconnected"));
  plane_.authority().rotation().OnDisconnected(node_id, plane_.Now());
  if (!plane_.CurrentMesh().workloads.contains(node_id)) Forget(node);
}

void XdsSource::Forget(Nodes::iterator node) {
  const auto count = nodes_of_.find(node->second.spiffe_id);
  if (count != nodes_of_.end() && --count->second == 0) nodes_of_.erase(count);
  nodes_.erase(node);
}

void XdsSource::OnUpdate(const MeshUpdate& update) {
  for (const auto& [id, workload] : update.mesh.gone) {
    const auto node = nodes_.find(id);
    if (node == nodes_.end()) continue;
    if (node->second.is_connected) {
      node->second.former = workload;
    } else {
      Forget(node);
    }
  }
  for (const std::string& id : update.mesh.workloads) {
    const auto node = nodes_.find(id);
    if (node == nodes_.end()) continue;
    if (plane_.CurrentMesh().workloads.contains(id)) node->second.former.reset();
    if (ads_ != nullptr) ads_->Refresh(id);
  }
  if (ads_ != nullptr) ads_->Publish(update.resources);
}

// Each rejection is logged once.
void XdsSource::OnRejections(const std::string& node_id, const xds::TypeStatuses& statuses) {
  const auto node = nodes_.find(node_id);
  if (node == nodes_.end()) return;
  std::set<std::string> rejections;
  for (const auto& [type, resources] : statuses) {
    for (const auto& [name, resource] : resources) {
      if (resource.delivery != xds::Delivery::kRejected) continue;
      std::string text =
          absl::StrCat(node_id, " rejected ", name, " of ", WordOf(type), ": ", resource.error);
      if (!node->second.rejections.contains(text)) {
        plane_.log().Write(telemetry::LogLevel::kWarning, telemetry::LogComponent::kXds, text);
      }
      rejections.insert(std::move(text));
    }
  }
  if (node->second.rejections.empty() != rejections.empty()) {
    rejecting_ += rejections.empty() ? -1 : 1;
  }
  node->second.rejections = std::move(rejections);
}

std::string XdsSource::WantedRoots() const {
  // Right after a change the mesh does not have the authority's new bundle yet.
  if (plane_.CurrentMesh().trust_bundle_pem != plane_.authority().trust_bundle_pem()) return {};
  const auto& secrets = plane_.mesh_builder().shared().secrets();
  const auto roots = secrets.find(kRoots);
  return roots == secrets.end() ? std::string() : roots->second->version;
}

// Acknowledgements are looked at only while something waits for them.
void XdsSource::WatchRotation() {
  ca::MeshAuthority& authority = plane_.authority();
  ca::RootRotation& rotation = authority.rotation();
  if (ads_ == nullptr || rotation.phase() == ca::RotationPhase::kSteady) return;
  const std::string wanted = WantedRoots();
  ads_->ForEach([&](const std::string& node_id, const xds::Session& session) {
    const auto node = nodes_.find(node_id);
    if (node == nodes_.end()) return;
    const Node& known = node->second;
    if (!wanted.empty() && session.Acknowledged(snapshot::kSecretType, kRoots) == wanted) {
      rotation.OnAcknowledged(node_id);
    }
    if (authority.HasRenewed(known.certificate_sha256, known.certificate_not_after)) {
      rotation.OnRenewed(node_id);
    }
  });
}

std::vector<api::ProxyStatus> XdsSource::Proxies() {
  std::map<std::string, api::ProxyStatus> proxies;
  for (const auto& [id, workload] : plane_.CurrentMesh().workloads) {
    proxies[id].spiffe_id = workload.spiffe_id;
    proxies[id].address = workload.address;
  }
  for (const auto& [id, node] : nodes_) {
    api::ProxyStatus& proxy = proxies[id];
    proxy.spiffe_id = node.spiffe_id;
    proxy.address = node.address;
    proxy.connected_since = node.connected_since;
    proxy.certificate_not_after = node.certificate_not_after;
  }
  if (ads_ != nullptr) {
    ads_->ForEach([&](const std::string& node_id, const xds::Session& session) {
      const auto proxy = proxies.find(node_id);
      if (proxy == proxies.end()) return;
      proxy->second.is_connected = true;
      Summarize(session.Statuses(), &proxy->second);
    });
  }
  std::vector<api::ProxyStatus> list;
  for (auto& [id, proxy] : proxies) {
    proxy.name = id;
    list.push_back(std::move(proxy));
  }
  return list;
}

}  // namespace tulle::server
