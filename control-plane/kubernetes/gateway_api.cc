#include "control-plane/kubernetes/gateway_api.h"

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
      log_(log),
      parts_(std::move(parts)),
      book_(mesh, parts_.find_service),
      feeds_(loop, client, mesh, log,
             {[this] { return book_.Update(); },
              [this](const policy::DocumentKey& key) { return StatusRequest(key); },
              parts_.is_leader, [this] { OnSettled(); }}),
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

// Both versions are known, or one of them once more.
void GatewayApi::OnResources() {
  if (!v1_ || !v1beta1_) return;
  bool has_routes = false;
  for (const policy::KindEntry& kind : policy::AllKinds()) {
    if (!IsRoute(kind)) continue;
    const std::string name(kind.plural);
    const bool is_served = v1_->contains(name);
    has_routes |= is_served;
    if (is_served && !feeds_.Has(name)) WatchRoutes(kind.kind);
    if (!is_served && feeds_.Drop(name)) book_.RemoveRoutes(kind.kind);
  }
  const bool has_grants = v1_->contains(kGrants) || v1beta1_->contains(kGrants);
  if (has_grants && !feeds_.Has(kGrants)) WatchGrants();
  if (!has_grants && feeds_.Drop(kGrants)) book_.RemoveGrants();
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
  feeds_.Watch(
      name, absl::StrCat(PathOf("v1"), "/", name),
      [this, kind](const ObjectKey& key, const Json& object) { book_.PutRoute(kind, key, object); },
      [this, kind](const ObjectKey& key) {
        book_.RemoveRoute({kind, key.ns, key.name});
      });
}

void GatewayApi::WatchGrants() {
  const char* version = v1_->contains(kGrants) ? "v1" : "v1beta1";
  feeds_.Watch(
      kGrants, absl::StrCat(PathOf(version), "/", kGrants),
      [this](const ObjectKey& key, const Json& object) { book_.PutGrant(key, object); },
      [this](const ObjectKey& key) { book_.RemoveGrant(key); });
}

void GatewayApi::OnSettled() {
  if (!settled()) return;
  feeds_.Update();
  parts_.on_settled();
}

void GatewayApi::OnService(const ServiceName& service) {
  book_.OnService(service);
  if (settled()) feeds_.Update();
}

std::optional<k8s::Request> GatewayApi::StatusRequest(const policy::DocumentKey& key) const {
  auto change = book_.StatusOf(key, TimeText(loop_.WallNow()));
  if (!change) return std::nullopt;
  return StatusPatch(key, change->version, {{"parents", std::move(change->parents)}});
}

}  // namespace tulle::kubernetes
