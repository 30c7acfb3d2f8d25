#include "control-plane/server/xds_source.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "certs/certificate.h"
#include "control-plane/insight/event_subjects.h"
#include "control-plane/insight/request_records.h"
#include "control-plane/server/grpc_services.h"
#include "control-plane/snapshot/describe.h"
#include "envoy/config/core/v3/base.pb.h"
#include "xds/proto/type_urls.h"

namespace tulle::server {
namespace {

using EventType = insight::Event::Type;

constexpr std::chrono::seconds kWatch{1};
// Of node.metadata: see snapshot::NodeView.
constexpr char kSdsFile[] = "tulle.dev/sds-file";
constexpr char kNodeName[] = "tulle.dev/node-name";
constexpr char kEnvoy[] = "envoy";  // node.user_agent_name
constexpr size_t kLongestProgram = 64;
constexpr char kLacksCertificate[] =
    "this Envoy has no certificate, so its mTLS cannot work: node.metadata does not name a file "
    "(tulle.dev/sds-file); start it with the bootstrap of `tullectl envoy-bootstrap`";

std::string TextOf(const google::protobuf::Struct& metadata, const char* name) {
  const auto field = metadata.fields().find(name);
  return field == metadata.fields().end() ? "" : field->second.string_value();
}
// Of one identity. Beyond, only registered instances are admitted.
constexpr size_t kMostNodes = 1000;
constexpr char kRoots[] = "ROOTCA";

std::string WordOf(std::string_view type_url) {
  for (const char* word : {"listeners", "routes", "clusters", "endpoints", "secrets"}) {
    if (snapshot::TypeUrlOf(word) == type_url) return word;
  }
  return std::string(type_url);
}

// One version for all resources of a type: FNV-1a over names and versions.
class Digest {
 public:
  void Add(std::string_view text) {
    for (const char c : text) {
      value_ = (value_ ^ static_cast<unsigned char>(c)) * 1099511628211u;
    }
    value_ = (value_ ^ 0xff) * 1099511628211u;
  }
  std::string text() const { return absl::StrCat(absl::Hex(value_, absl::kZeroPad16)); }

 private:
  uint64_t value_ = 14695981039346656037u;
};

// "tulle 0.1.0"
std::string ProgramOf(const envoy::config::core::v3::Node& node) {
  std::string program = node.user_agent_name();
  if (!node.user_agent_version().empty()) program += " " + node.user_agent_version();
  return insight::SafeText(std::move(program), kLongestProgram);
}

api::ProxyStatus::TypeStatus Summary(std::string_view type_url, const xds::Session& session) {
  api::ProxyStatus::TypeStatus status;
  status.type = WordOf(type_url);
  Digest sent;
  Digest acknowledged;
  session.ForEach(type_url, [&](const xds::HeldResource& held) {
    sent.Add(held.name);
    sent.Add(held.version);
    acknowledged.Add(held.name);
    acknowledged.Add(held.delivery == xds::Delivery::kAcknowledged ? held.version : "");
    if (held.delivery == xds::Delivery::kRejected && status.rejection.empty()) {
      status.rejected_resource = held.name;
      status.rejection = held.error.empty() ? "rejected without a reason" : held.error;
    }
  });
  status.sent_version = sent.text();
  status.acknowledged_version = acknowledged.text();
  return status;
}

void Summarize(const xds::Session& session, api::ProxyStatus* proxy) {
  Digest sent;
  Digest acknowledged;
  for (const std::string_view type : session.RequestedTypes()) {
    api::ProxyStatus::TypeStatus status = Summary(type, session);
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
  plane_.view().SetProxySource(this);
  plane_.registry().SetConnections([this](const std::string& id) {
    const auto node = nodes_.find(id);
    return node != nodes_.end() && node->second.is_connected;
  });
  watch_ = loop.NewTimer([this] {
    WatchRotation();
    watch_->Start(kWatch);
  });
  watch_->Start(kWatch);
}

XdsSource::~XdsSource() {
  plane_.mesh_builder().SetObserver(nullptr);
  plane_.view().SetProxySource(nullptr);
  plane_.registry().SetConnections(nullptr);
}

absl::StatusOr<std::shared_ptr<const xds::View>> XdsSource::ViewFor(
    const envoy::config::core::v3::Node& node, const Transport& peer) {
  const PeerIdentity* identity = peer.peer();
  if (identity == nullptr || identity->spiffe_id.empty()) {
    return absl::UnauthenticatedError(kXdsNeedsCertificate);
  }
  if (plane_.admission().IsRevoked(peer)) {
    return absl::UnauthenticatedError("the certificate was revoked");
  }
  // What is not in the mesh yet would be taken for removed.
  if (!plane_.is_synced()) {
    return absl::UnavailableError("the control plane has not read the Kubernetes API yet");
  }
  if (const absl::Status status = Admit(node.id(), identity->spiffe_id); !status.ok())
    return status;
  const auto [entry, is_new] = nodes_.try_emplace(node.id());
  NoteConnected(node.id(), peer, &entry->second);
  entry->second.program = ProgramOf(node);
  const snapshot::NodeView view{
      node.id(),
      std::find(node.client_features().begin(), node.client_features().end(),
                xds::kOnDemandFeature) != node.client_features().end(),
      TextOf(node.metadata(), kSdsFile), plane_.LocalityOf(TextOf(node.metadata(), kNodeName))};
  entry->second.lacks_certificate = node.user_agent_name() == kEnvoy && view.sds_file.empty();
  snapshot::SharedResources& shared = plane_.mesh_builder().shared();
  snapshot::OwnResources& own = plane_.mesh_builder().own();
  const auto former = former_.find(node.id());
  std::shared_ptr<const xds::View> whole;
  if (former != former_.end()) {
    whole = std::make_shared<snapshot::NodeResources>(shared, own, view, former->second);
  } else {
    whole = std::make_shared<snapshot::NodeResources>(shared, own, view);
  }
  const snapshot::LackingFeatures lacking = snapshot::FeaturesLackingIn(node);
  if (lacking == 0) return whole;
  return std::make_shared<snapshot::OlderView>(std::move(whole), lacking, older_);
}

absl::Status XdsSource::Admit(const std::string& id, const std::string& spiffe_id) const {
  if (id.empty() || id.size() > 253)
    return absl::InvalidArgumentError("node.id must have 1 to 253 bytes");
  // Operators read it in their terminals.
  if (std::any_of(id.begin(), id.end(), absl::ascii_iscntrl)) {
    return absl::InvalidArgumentError("invalid node.id: it contains a control character");
  }
  // NAMESPACE/POD is what pods are called.
  if (id.find('/') != std::string::npos)
    return absl::InvalidArgumentError("invalid node.id: it contains '/'");
  const auto& workloads = plane_.mesh_builder().mesh().workloads;
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
  return absl::ResourceExhaustedError(absl::StrCat(spiffe_id, " already has ", kMostNodes,
                                                   " nodes: give each process a stable node.id"));
}

void XdsSource::NoteConnected(const std::string& id, const Transport& peer, Node* node) {
  const PeerIdentity& identity = *peer.peer();
  if (node->spiffe_id != identity.spiffe_id) {
    if (!node->spiffe_id.empty()) Uncount(node->spiffe_id);
    ++nodes_of_[identity.spiffe_id];
  }
  node->spiffe_id = identity.spiffe_id;
  if (node->is_connected) node_at_.erase(node->address);
  node->address = peer.PeerAddress().ToString();
  node_at_.insert_or_assign(node->address, id);
  node->certificate_not_after = identity.not_after;
  if (node->certificate_sha256 != identity.certificate_sha256) {
    uses_.OnDisconnected(node->certificate_sha256, id);
    node->also_used_by.clear();
    node->certificate_sha256 = identity.certificate_sha256;
    const std::vector<std::string_view> chain = peer.peer_chain();
    if (!chain.empty()) {
      const auto leaf = certs::Certificate::FromDer(chain.front());
      if (leaf.ok()) plane_.authority().OnShown(identity.spiffe_id, *leaf);
      node->certificate_issuer = leaf.ok() ? ca::IssuerOf(*leaf) : "";
    }
  }
  plane_.authority().rotation().OnConnected(
      id, {identity.spiffe_id, identity.certificate_sha256, identity.not_after});
  NoteUse(id, peer.PeerAddress().host(), node);
  if (node->is_connected) return;
  node->is_connected = true;
  node->connected_since = plane_.Now();
  ++connected_;
  plane_.log().Write(telemetry::LogLevel::kInfo, telemetry::LogComponent::kXds,
                     absl::StrCat(id, " connected (", node->spiffe_id, " at ", node->address, ")"));
  NoteEvent(EventType::kNormal, "ProxyConnected", id, *node,
            absl::StrCat("connected from ", peer.PeerAddress().host()));
}

void XdsSource::NoteEvent(EventType type, const char* reason, const std::string& id,
                          const Node& node, std::string message) const {
  plane_.Note({type, reason, insight::ProxySubject(id, plane_.view().PodOf(id), node.spiffe_id),
               std::move(message), node.spiffe_id});
}

// Shown until this node disconnects or presents another certificate.
void XdsSource::NoteUse(const std::string& id, const std::string& host, Node* node) {
  const auto other = uses_.OnConnected(node->certificate_sha256, {id, host});
  if (!other) return;
  node->also_used_by = absl::StrCat(other->node, " at ", other->host);
  ++shared_certificates_;
  plane_.log().Write(
      telemetry::LogLevel::kWarning, telemetry::LogComponent::kXds,
      absl::StrCat("the certificate of ", id, " at ", host, " is also used by ", node->also_used_by,
                   ": if its key was copied, evict ", node->spiffe_id));
  NoteEvent(EventType::kWarning, "CertificateShared", id, *node,
            absl::StrCat("its certificate is also used by ", node->also_used_by,
                         ": if the key was copied, evict ", node->spiffe_id));
}

void XdsSource::OnDisconnected(const std::string& node_id) {
  const auto node = nodes_.find(node_id);
  if (node == nodes_.end() || !node->second.is_connected) return;
  node->second.is_connected = false;
  const auto at = node_at_.find(node->second.address);
  if (at != node_at_.end() && at->second == node_id) node_at_.erase(at);
  uses_.OnDisconnected(node->second.certificate_sha256, node_id);
  node->second.also_used_by.clear();
  --connected_;
  if (!std::exchange(node->second.rejections, {}).empty()) --rejecting_;
  plane_.log().Write(telemetry::LogLevel::kInfo, telemetry::LogComponent::kXds,
                     absl::StrCat(node_id, " disconnected"));
  NoteEvent(EventType::kNormal, "ProxyDisconnected", node_id, node->second, "disconnected");
  plane_.authority().rotation().OnDisconnected(node_id, plane_.Now());
  if (!plane_.mesh_builder().mesh().workloads.contains(node_id)) Forget(node);
}

void XdsSource::Uncount(const std::string& spiffe_id) {
  const auto count = nodes_of_.find(spiffe_id);
  if (count != nodes_of_.end() && --count->second == 0) nodes_of_.erase(count);
}

void XdsSource::Forget(Nodes::iterator node) {
  Uncount(node->second.spiffe_id);
  former_.erase(node->first);
  nodes_.erase(node);
}

void XdsSource::OnUpdate(const MeshUpdate& update) {
  for (const auto& [id, workload] : update.mesh.gone) {
    const auto node = nodes_.find(id);
    if (node == nodes_.end()) continue;
    if (node->second.is_connected) {
      former_.insert_or_assign(id, workload);
    } else {
      Forget(node);
    }
  }
  std::erase_if(former_, [this](const auto& former) {
    return plane_.mesh_builder().mesh().workloads.contains(former.first);
  });
  std::set<std::string> touched = update.mesh.workloads;
  // The mesh does not know them any more, so it cannot tell whom of them a policy concerns.
  for (const auto& [id, workload] : former_) {
    if (!update.mesh.policies) break;
    plane_.mesh_builder().own().Forget(id);
    touched.insert(id);
  }
  if (ads_ != nullptr) ads_->Publish(update.resources, touched);
}

// Each rejection is logged once.
void XdsSource::OnRejections(const std::string& node_id) {
  const auto node = nodes_.find(node_id);
  const xds::Session* session = ads_->SessionOf(node_id);
  if (node == nodes_.end() || session == nullptr) return;
  std::set<std::string> rejections;
  for (const std::string_view type : session->RequestedTypes()) {
    session->ForEach(type, [&](const xds::HeldResource& held) {
      if (held.delivery != xds::Delivery::kRejected) return;
      std::string text = absl::StrCat(node_id, " rejected ", std::string(held.name), " of ",
                                      WordOf(type), ": ", std::string(held.error));
      if (!node->second.rejections.contains(text)) {
        plane_.log().Write(telemetry::LogLevel::kWarning, telemetry::LogComponent::kXds, text);
        NoteEvent(EventType::kWarning, "ConfigurationRejected", node_id, node->second,
                  absl::StrCat("rejected ", std::string(held.name), " of ", WordOf(type), ": ",
                               std::string(held.error)));
      }
      rejections.insert(std::move(text));
    });
  }
  if (node->second.rejections.empty() != rejections.empty()) {
    rejecting_ += rejections.empty() ? -1 : 1;
    if (rejections.empty()) {
      NoteEvent(EventType::kNormal, "ConfigurationAccepted", node_id, node->second,
                "rejects nothing any more");
    }
  }
  node->second.rejections = std::move(rejections);
}

void XdsSource::PublishRoots() { ads_->Publish({{std::string(snapshot::kSecretType), {kRoots}}}); }

void XdsSource::ResendRoots() { ads_->Resend(snapshot::kSecretType, kRoots); }

std::string XdsSource::WantedRoots() const {
  // Right after a change the mesh does not have the authority's new bundle yet.
  if (plane_.mesh_builder().mesh().trust_bundle_pem != plane_.authority().trust_bundle_pem())
    return {};
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
    if (wanted.empty() || session.Acknowledged(snapshot::kSecretType, kRoots) != wanted) return;
    rotation.OnAcknowledged(node_id);
    if (authority.HasRenewed(node->second.certificate_issuer)) rotation.OnRenewed(node_id);
  });
}

// Registered workloads and connected nodes: two ordered maps, merged.
std::vector<api::ProxyStatus> XdsSource::Proxies(const Range& range) {
  if (range.after.empty()) plane_.mesh_builder().BuildNow();
  const auto& workloads = plane_.mesh_builder().mesh().workloads;
  auto workload = workloads.upper_bound(range.after);
  auto node = nodes_.upper_bound(range.after);
  std::vector<api::ProxyStatus> list;
  while (list.size() < range.most) {
    const bool has_workload = workload != workloads.end();
    const bool has_node = node != nodes_.end();
    if (!has_workload && !has_node) break;
    const bool is_workload = has_workload && (!has_node || workload->first <= node->first);
    const std::string& id = is_workload ? workload->first : node->first;
    const bool is_node = has_node && node->first == id;
    // An endpoint without a sidecar is no proxy.
    if (is_node || workload->second.is_meshed) list.push_back(StatusOf(id, range.detail));
    if (is_workload) ++workload;
    if (is_node) ++node;
  }
  return list;
}

std::optional<api::ProxyStatus> XdsSource::ProxyNamed(const std::string& name) {
  plane_.mesh_builder().BuildNow();
  if (!nodes_.contains(name) && !plane_.mesh_builder().mesh().workloads.contains(name))
    return std::nullopt;
  return StatusOf(name, api::ControlPlaneView::Detail::kAll);
}

api::ProxyStatus XdsSource::StatusOf(const std::string& id,
                                     api::ControlPlaneView::Detail detail) const {
  api::ProxyStatus proxy;
  proxy.name = id;
  proxy.problems = plane_.registry().ProblemsOf(id);
  const auto node = nodes_.find(id);
  if (node != nodes_.end() && node->second.is_connected && node->second.lacks_certificate)
    proxy.problems.emplace_back(kLacksCertificate);
  if (node == nodes_.end()) {
    const discovery::Workload& workload = plane_.mesh_builder().mesh().workloads.at(id);
    proxy.spiffe_id = workload.spiffe_id;
    proxy.address = workload.address;
    return proxy;
  }
  proxy.spiffe_id = node->second.spiffe_id;
  proxy.address = node->second.address;
  proxy.connected_since = node->second.connected_since;
  proxy.certificate_not_after = node->second.certificate_not_after;
  proxy.program = node->second.program;
  proxy.certificate_also_used_by = node->second.also_used_by;
  const xds::Session* session = ads_ == nullptr ? nullptr : ads_->SessionOf(id);
  if (session == nullptr) return proxy;
  proxy.is_connected = true;
  proxy.is_synced = IsSynced(id);
  const bool is_wanted = detail == api::ControlPlaneView::Detail::kAll;
  if (is_wanted || !node->second.rejections.empty()) Summarize(*session, &proxy);
  return proxy;
}

std::string XdsSource::ProxyAt(const std::string& address, const std::string& spiffe_id) const {
  const auto at = node_at_.find(address);
  if (at == node_at_.end()) return "";
  const auto node = nodes_.find(at->second);
  return node == nodes_.end() || node->second.spiffe_id != spiffe_id ? "" : node->first;
}

// What an instance that has not registered yet was sent is not what it will need.
bool XdsSource::IsSynced(const std::string& id) const {
  const bool is_known = plane_.mesh_builder().mesh().workloads.contains(id) || former_.contains(id);
  return is_known && plane_.mesh_builder().is_up_to_date() && ads_->IsSynced(id);
}

std::optional<snapshot::ResourceTable> XdsSource::ConfigOf(const std::string& proxy,
                                                           std::string_view type_url) {
  const xds::Session* session = ads_ == nullptr ? nullptr : ads_->SessionOf(proxy);
  if (session == nullptr) return std::nullopt;
  snapshot::ResourceTable config;
  session->ForEach(type_url, [&](const xds::HeldResource& held) {
    auto found = session->view()->Find(type_url, held.name);
    if (found.resource == nullptr) return;  // removed since; the proxy has yet to be told
    config.emplace(std::string(held.name), std::move(found.resource));
  });
  return config;
}

}  // namespace tulle::server
