#include "control-plane/kubernetes/gateway_api.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control-plane/policy/kinds.h"

namespace tulle::kubernetes {
namespace {

constexpr char kGrants[] = "referencegrants";

std::string PathOf(const char* version) {
  return absl::StrCat("/apis/", kGatewayGroup, "/", version);
}

bool IsRoute(const policy::KindEntry& kind) {
  return kind.api_version == policy::kGatewayApiVersion;
}

}  // namespace

GatewayApi::GatewayApi(loop::Loop& loop, k8s::Client& client, discovery::MeshSink& mesh,
                       telemetry::Log& log, Parts parts)
    : loop_(loop),
      client_(client),
      mesh_(mesh),
      log_(log),
      parts_(std::move(parts)),
      book_(mesh, parts_.find_service),
      writer_(loop, client, log,
              {[this](const policy::DocumentKey& key) { return StatusRequest(key); },
               parts_.is_leader}),
      v1_resources_(loop, client, log, PathOf("v1"),
                    [this](const Names& names) {
                      v1_ = names;
                      OnResources();
                    }),
      v1beta1_resources_(loop, client, log, PathOf("v1beta1"), [this](const Names& names) {
        v1beta1_ = names;
        OnResources();
      }) {}

void GatewayApi::Start() {
  v1_resources_.Start();
  v1beta1_resources_.Start();
}

bool GatewayApi::settled() const {
  return v1_ && v1beta1_ && std::all_of(feeds_.begin(), feeds_.end(), [](const auto& each) {
           return each.second->synced() || each.second->refused();
         });
}

bool GatewayApi::Serves(policy::Kind kind) const {
  const auto feed = feeds_.find(std::string(policy::EntryOf(kind).plural));
  return feed != feeds_.end() && feed->second->synced();
}

// Both versions are known, or one of them once more.
void GatewayApi::OnResources() {
  if (!v1_ || !v1beta1_) return;
  bool has_routes = false;
  for (const policy::KindEntry& kind : policy::AllKinds()) {
    if (!IsRoute(kind)) continue;
    const std::string name(kind.plural);
    const bool is_served = v1_->contains(name);
    has_routes |= is_served;
    if (is_served && !feeds_.contains(name)) WatchRoutes(kind.kind);
    if (!is_served && feeds_.erase(name) > 0) book_.RemoveRoutes(kind.kind);
  }
  const bool has_grants = v1_->contains(kGrants) || v1beta1_->contains(kGrants);
  if (has_grants && !feeds_.contains(kGrants)) WatchGrants();
  if (!has_grants && feeds_.erase(kGrants) > 0) book_.RemoveGrants();
  if (!has_routes && !std::exchange(has_said_absent_, true)) {
    log_.Write(telemetry::LogLevel::kInfo, telemetry::LogComponent::kRegistry,
               absl::StrCat("the cluster does not serve ", kGatewayGroup,
                            "/v1: its routes are read when the Gateway API is installed"));
  }
  OnSettled();
}

void GatewayApi::WatchRoutes(policy::Kind kind) {
  const std::string name(policy::EntryOf(kind).plural);
  log_.Write(telemetry::LogLevel::kInfo, telemetry::LogComponent::kRegistry,
             absl::StrCat("reading ", name, " of the Kubernetes API"));
  Watch(name, absl::StrCat(PathOf("v1"), "/", name),
        {[this, kind](const ObjectKey& key, const Json& object) {
           book_.PutRoute(kind, key, object);
         },
         [this, kind](const ObjectKey& key) {
           book_.RemoveRoute({kind, key.ns, key.name});
         },
         [this] { Update(); }, [this] { OnSettled(); }});
}

void GatewayApi::WatchGrants() {
  const char* version = v1_->contains(kGrants) ? "v1" : "v1beta1";
  Watch(kGrants, absl::StrCat(PathOf(version), "/", kGrants),
        {[this](const ObjectKey& key, const Json& object) { book_.PutGrant(key, object); },
         [this](const ObjectKey& key) { book_.RemoveGrant(key); }, [this] { Update(); },
         [this] { OnSettled(); }});
}

void GatewayApi::Watch(const std::string& name, const std::string& path, Feed::Events events) {
  auto& feed = feeds_[name];
  feed = std::make_unique<Feed>(loop_, client_, log_, k8s::Resource{path}, std::move(events));
  feed->Start();
}

void GatewayApi::OnSettled() {
  if (!settled()) return;
  Update();
  parts_.on_settled();
}

void GatewayApi::Publish() {
  is_published_ = true;
  Update();
}

void GatewayApi::OnService(const ServiceName& service) {
  book_.OnService(service);
  Update();
}

// A listing that is not complete could miss the grant that a route needs.
void GatewayApi::Update() {
  if (!is_published_ || !settled()) return;
  const RouteBook::Outcome outcome = book_.Update();
  if (outcome.has_changed) mesh_.OnChange();
  for (const policy::DocumentKey& key : outcome.routes) writer_.Add(key);
  writer_.Write();
}

std::optional<k8s::Request> GatewayApi::StatusRequest(const policy::DocumentKey& key) const {
  auto change = book_.StatusOf(key, TimeText(loop_.WallNow()));
  if (!change) return std::nullopt;
  return StatusPatch(key, change->version, {{"parents", std::move(change->parents)}});
}

}  // namespace tulle::kubernetes
