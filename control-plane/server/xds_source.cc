#include "control-plane/server/xds_source.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "control-plane/snapshot/describe.h"
#include "envoy/config/core/v3/base.pb.h"
#include "xds/proto/type_urls.h"

namespace tulle::server {
namespace {

constexpr std::chrono::seconds kWatch{1};
constexpr size_t kMostNodes = 1000;  // of one identity, that are not registered
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

}  // namespace

XdsSource::XdsSource(loop::Loop& loop, ControlPlane& plane) : plane_(plane) {
  plane_.SetVersionObserver([this](snapshot::SnapshotFactory&) {
    if (ads_ != nullptr) ads_->Refresh();
  });
  plane_.SetProxySource([this] { return Proxies(); });
  watch_ = loop.NewTimer([this] {
    Observe();
    watch_->Start(kWatch);
  });
  watch_->Start(kWatch);
}

XdsSource::~XdsSource() {
  plane_.SetVersionObserver(nullptr);
  plane_.SetProxySource(nullptr);
}

absl::StatusOr<std::shared_ptr<const xds::View>> XdsSource::ViewFor(
    const envoy::config::core::v3::Node& node, const Transport& peer) {
  const PeerIdentity* identity = peer.peer();
  if (identity == nullptr || identity->spiffe_id.empty()) {
    return absl::UnauthenticatedError(
        "xDS needs a certificate of the mesh: get one with a join token first");
  }
  if (node.id().empty() || node.id().size() > 253) {
    return absl::InvalidArgumentError("the node id must have 1 to 253 bytes");
  }
  const auto workload = plane_.CurrentMesh().workloads.find(node.id());
  const bool is_known = workload != plane_.CurrentMesh().workloads.end();
  const auto former = nodes_.find(node.id());
  if ((is_known && workload->second.spiffe_id != identity->spiffe_id) ||
      (!is_known && former != nodes_.end() && former->second.spiffe_id != identity->spiffe_id)) {
    return absl::PermissionDeniedError(
        absl::StrCat("node ", node.id(), " belongs to another identity than ", identity->spiffe_id,
                     ": use the instance id that was registered"));
  }
  if (!is_known && former == nodes_.end() && CountOf(identity->spiffe_id) >= kMostNodes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(identity->spiffe_id, " has ", kMostNodes,
                     " nodes already: give each process one stable instance id"));
  }
  Node& entry = nodes_[node.id()];
  const bool is_new = entry.spiffe_id.empty() || !entry.is_connected;
  if (is_new) entry.connected_since = plane_.Now();
  entry.spiffe_id = identity->spiffe_id;
  entry.address = peer.PeerAddress().ToString();
  if (is_new) {
    plane_.log().Write(
        telemetry::LogLevel::kInfo, telemetry::LogComponent::kXds,
        absl::StrCat(node.id(), " is connected (", entry.spiffe_id, " at ", entry.address, ")"));
  }
  entry.certificate_not_after = identity->not_after;
  entry.certificate_sha256 = identity->certificate_sha256;
  entry.is_connected = true;
  const bool is_on_demand = std::find(node.client_features().begin(), node.client_features().end(),
                                      xds::kOnDemandFeature) != node.client_features().end();
  if (is_on_demand != entry.is_on_demand) entry.view = nullptr;
  entry.is_on_demand = is_on_demand;
  if (entry.view != nullptr && !is_known) return KeptView(&entry);
  if (entry.view != nullptr && entry.view_version == plane_.version_count()) return entry.view;
  auto view = std::make_shared<snapshot::Snapshot>(plane_.BuildFor({node.id(), is_on_demand}));
  if (is_known) {
    entry.view = view;
    entry.view_version = plane_.version_count();
  }
  return view;
}

// Of a node that is not registered any more: what it had, but for the roots.
std::shared_ptr<const snapshot::Snapshot> XdsSource::KeptView(Node* node) {
  if (node->view_version != plane_.version_count()) {
    auto view = std::make_shared<snapshot::Snapshot>(*node->view);
    view->secrets = Roots();
    node->view = std::move(view);
    node->view_version = plane_.version_count();
  }
  return node->view;
}

size_t XdsSource::CountOf(const std::string& spiffe_id) const {
  return static_cast<size_t>(std::count_if(nodes_.begin(), nodes_.end(), [&](const auto& entry) {
    return entry.second.spiffe_id == spiffe_id;
  }));
}

// What every node is sent of secrets now, registered or not.
const snapshot::ResourceTable& XdsSource::Roots() {
  if (roots_of_ != plane_.version_count()) {
    roots_of_ = plane_.version_count();
    roots_ = plane_.BuildFor({}).secrets;
  }
  return roots_;
}

bool XdsSource::HasAcknowledgedRoots(const xds::StreamStatus& stream) {
  const auto secrets = stream.types.find(snapshot::kSecretType);
  if (secrets == stream.types.end()) return false;
  const auto sent = secrets->second.find(kRoots);
  const auto current = Roots().find(kRoots);
  // Right after a change the mesh does not say yet what the authority does.
  return sent != secrets->second.end() && current != Roots().end() &&
         sent->second.delivery == xds::Delivery::kAcknowledged &&
         sent->second.version == current->second->version &&
         plane_.CurrentMesh().trust_bundle_pem == plane_.authority().trust_bundle_pem();
}

void XdsSource::Observe() {
  if (ads_ == nullptr) return;
  ca::MeshAuthority& authority = plane_.authority();
  ca::RootRotation& rotation = authority.rotation();
  std::set<std::string> connected;
  for (const xds::StreamStatus& stream : ads_->Statuses()) {
    const auto node = nodes_.find(stream.node_id);
    if (node == nodes_.end()) continue;
    connected.insert(stream.node_id);
    LogRejections(stream, &node->second);
    rotation.OnConnected(stream.node_id, {node->second.spiffe_id, node->second.certificate_sha256,
                                          node->second.certificate_not_after});
    if (HasAcknowledgedRoots(stream)) rotation.OnAcknowledged(stream.node_id);
    if (authority.HasRenewed(node->second.certificate_sha256, node->second.certificate_not_after)) {
      rotation.OnRenewed(stream.node_id);
    }
  }
  for (auto& [id, node] : nodes_) {
    if (node.is_connected && !connected.contains(id)) {
      node.is_connected = false;
      plane_.log().Write(telemetry::LogLevel::kInfo, telemetry::LogComponent::kXds,
                         absl::StrCat(id, " is not connected any more"));
      rotation.OnDisconnected(id, plane_.Now());
    }
  }
  // A node that is gone from the registry too is forgotten.
  std::erase_if(nodes_, [&](const auto& entry) {
    return !entry.second.is_connected && !plane_.CurrentMesh().workloads.contains(entry.first);
  });
}

// Each rejection once.
void XdsSource::LogRejections(const xds::StreamStatus& stream, Node* node) {
  std::set<std::string> rejections;
  for (const auto& [type, resources] : stream.types) {
    for (const auto& [name, resource] : resources) {
      if (resource.delivery != xds::Delivery::kRejected) continue;
      std::string text = absl::StrCat(stream.node_id, " rejected ", name, " of ", WordOf(type),
                                      ": ", resource.error);
      if (!node->rejections.contains(text)) {
        plane_.log().Write(telemetry::LogLevel::kWarning, telemetry::LogComponent::kXds, text);
      }
      rejections.insert(std::move(text));
    }
  }
  node->rejections = std::move(rejections);
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
    for (const xds::StreamStatus& stream : ads_->Statuses()) {
      const auto proxy = proxies.find(stream.node_id);
      if (proxy == proxies.end()) continue;
      proxy->second.is_connected = true;
      proxy->second.types.clear();
      Digest sent;
      Digest acknowledged;
      for (const auto& [type, resources] : stream.types) {
        api::ProxyStatus::TypeStatus status = Summary(type, resources);
        sent.Add(status.sent_version);
        acknowledged.Add(status.acknowledged_version);
        proxy->second.types.push_back(std::move(status));
      }
      proxy->second.sent_version = sent.text();
      proxy->second.acknowledged_version = acknowledged.text();
    }
  }
  std::vector<api::ProxyStatus> list;
  for (auto& [id, proxy] : proxies) {
    proxy.name = id;
    list.push_back(std::move(proxy));
  }
  return list;
}

}  // namespace tulle::server
