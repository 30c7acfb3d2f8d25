#include "tests/scale/imitated_sidecar.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "envoy/config/core/v3/base.pb.h"
#include "net/tls/tls_transports.h"
#include "telemetry/version.h"
#include "xds/proto/type_urls.h"

namespace tulle::scale {
namespace {

constexpr loop::Duration kLookEvery = std::chrono::milliseconds(50);
constexpr char kRootsSecret[] = "ROOTCA";

std::string InstanceId(const SidecarPlan& plan) {
  if (!plan.pod_uid.empty()) return plan.pod_uid;
  return absl::StrCat(plan.service, "-", plan.number);
}

std::string NodeBytes(const SidecarPlan& plan) {
  envoy::config::core::v3::Node node;
  node.set_id(InstanceId(plan));
  node.set_cluster(plan.service);
  node.set_user_agent_name("tulle");
  node.set_user_agent_version(telemetry::kVersion);
  node.add_client_features(std::string(xds::kOnDemandFeature));
  return node.SerializeAsString();
}

std::string RegistrationOf(const SidecarPlan& plan) {
  sidecar::Workload workload;
  workload.service = plan.service;
  workload.address = plan.address;
  workload.transparent = true;
  workload.ports = {"8080:80/http"};
  return sidecar::MakeRegistration(workload, InstanceId(plan)).value();
}

ImitatedTraffic::Plan TrafficOf(const SidecarPlan& plan, const std::string& principal) {
  ImitatedTraffic::Plan traffic{principal, HostOf(plan.service), {}, plan.requests_per_second};
  for (const std::string& peer : plan.peers) {
    traffic.peers.push_back({PrincipalBeside(principal, peer), HostOf(peer)});
  }
  return traffic;
}

identity::AgentOptions AgentOptionsOf(const SidecarPlan& plan) {
  return {{plan.control}, plan.token_file, plan.state_directory, plan.roots_file};
}

}  // namespace

std::string HostOf(const std::string& service) {
  return absl::StrCat(service, ".default.svc.cluster.local");
}

grpc::ChannelOptions ControlChannelOptions() {
  grpc::ChannelOptions options;
  options.authority = "tulle-control";
  return options;
}

ImitatedSidecar::ImitatedSidecar(loop::Loop& loop, certs::KeySource& keys,
                                 NamedResourcesCache& names, SidecarPlan plan, Witness& witness)
    : loop_(loop),
      plan_(std::move(plan)),
      names_(names),
      witness_(witness),
      agent_(loop, tls::TlsTransports(), keys, AgentOptionsOf(plan_),
             static_cast<identity::IdentityAgent::Events&>(*this)),
      state_(NodeBytes(plan_), static_cast<xds::UpdateTarget&>(*this)),
      ads_(
          loop, [this] { return agent_.Connect(); }, ControlChannelOptions(), state_,
          static_cast<xds::AdsClient::Events&>(*this)) {
  if (plan_.requests_per_second > 0) {
    insight_.emplace(loop, ads_,
                     sidecar::InsightStream::Parts{.collect = [this] { return Collect(); }});
  }
  if (plan_.pod_uid.empty()) {
    registration_.emplace(loop, ads_, RegistrationOf(plan_),
                          [this](const std::string& error) { witness_.OnError(error); });
  }
  ready_timer_ = loop.NewTimer([this] {
    if (!answered_) return;
    if (!registration_ || registration_->registered()) return witness_.OnReady(plan_.number);
    ready_timer_->Start(kLookEvery);
  });
}

ImitatedSidecar::~ImitatedSidecar() = default;

void ImitatedSidecar::OnIdentity(const std::shared_ptr<const identity::Identity>& identity) {
  const bool is_first = identity_ == nullptr;
  identity_ = identity;
  if (!is_first) return ads_.Reconnect();
  if (plan_.all_clusters) state_.SubscribeToAll(xds::kClusterType);
  state_.SubscribeToAll(xds::kListenerType);
  ads_.Start();
}

void ImitatedSidecar::Use(std::set<std::string> listeners) {
  used_ = std::move(listeners);
  state_.Subscribe(xds::kListenerType, used_);
  ads_.Flush();
  if (!insight_) return;
  traffic_.emplace(TrafficOf(plan_, identity_->spiffe_id));
  traffic_began_ = loop_.Now();
}

std::vector<telemetry::FamilySamples> ImitatedSidecar::Collect() const {
  if (!traffic_) return {};
  return traffic_->At(std::chrono::duration<double>(loop_.Now() - traffic_began_).count());
}

std::vector<xds::Rejection> ImitatedSidecar::OnUpdate(const xds::Update& update) {
  Held& held = held_[update.type_url];
  for (const xds::ReceivedResource& resource : update.resources) {
    held[resource.name] = names_.Of(update.type_url, resource);
  }
  for (const std::string& name : update.removed) held.erase(name);
  witness_.OnUpdate(plan_.number, update);
  if (update.type_url == xds::kListenerType) {
    if (!held.empty() && registration_) registration_->SetReady();
    if (!std::exchange(answered_, true)) ready_timer_->Start(loop::Duration(0));
  }
  Subscribe();
  TellServed();
  return {};
}

// What is named now, by the order in which a sidecar subscribes.
void ImitatedSidecar::Subscribe() {
  NamedResources wanted;
  for (const auto& [type, resources] : held_) {
    for (const auto& [name, named] : resources) {
      wanted.clusters.insert(named->clusters.begin(), named->clusters.end());
      wanted.routes.insert(named->routes.begin(), named->routes.end());
      wanted.endpoints.insert(named->endpoints.begin(), named->endpoints.end());
    }
  }
  if (!plan_.all_clusters) state_.Subscribe(xds::kClusterType, wanted.clusters);
  state_.Subscribe(xds::kEndpointType, wanted.endpoints);
  if (!held_.empty()) state_.Subscribe(xds::kSecretType, {kRootsSecret});
  state_.Subscribe(xds::kRouteType, wanted.routes);
  const auto forget = [this](std::string_view type, const std::set<std::string>& names) {
    const auto held = held_.find(type);
    if (held == held_.end()) return;
    std::erase_if(held->second, [&](const auto& one) { return !names.contains(one.first); });
  };
  if (!plan_.all_clusters) forget(xds::kClusterType, wanted.clusters);
  forget(xds::kEndpointType, wanted.endpoints);
  forget(xds::kRouteType, wanted.routes);
}

void ImitatedSidecar::TellServed() {
  if (served_ || used_.empty()) return;
  const auto& listeners = held_[std::string(xds::kListenerType)];
  const auto& endpoints = held_[std::string(xds::kEndpointType)];
  const bool has_listeners = std::all_of(
      used_.begin(), used_.end(), [&](const auto& name) { return listeners.contains(name); });
  if (!has_listeners || endpoints.size() < used_.size()) return;
  served_ = true;
  witness_.OnServed(plan_.number);
}

void ImitatedSidecar::OnAdsLost(const std::string&, Failure) {
  answered_ = false;
  witness_.OnLost(plan_.number);
}

}  // namespace tulle::scale
