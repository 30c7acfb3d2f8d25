// The API over a store in memory and a view of a mesh with one workload, for tests.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "certs/private_key.h"
#include "control-plane/api/api.h"
#include "control-plane/insight/event_book.h"
#include "control-plane/insight/failure_book.h"
#include "control-plane/insight/fake_sidecar_for_test.h"
#include "control-plane/insight/questions.h"
#include "control-plane/insight/taps.h"
#include "control-plane/insight/trace_ring.h"
#include "control-plane/insight/traffic_book.h"
#include "control-plane/snapshot/testing/build_snapshot.h"
#include "control-plane/store/sqlite_store.h"
#include "net/loop/sim/simulation.h"

namespace tulle::api {

inline constexpr int64_t kNow = 1'790'000'000;

inline constexpr char kStrict[] =
    "apiVersion: tulle.dev/v1alpha1\nkind: PeerAuthentication\nmetadata: {name: all}\n"
    "spec: {targetRef: {kind: Mesh}, mode: STRICT}\n";

class FakeView : public ControlPlaneView {
 public:
  FakeView() {
    discovery::Workload workload;
    workload.id = "post-1";
    workload.spiffe_id = "spiffe://cluster.local/ns/default/sa/post";
    workload.address = "192.0.2.1";
    workload.services = {{"default", "post"}};
    workload.inbound = {{15080, 8080, 80, policy::Protocol::kHttp}};
    mesh.trust_bundle_pem = "roots";
    mesh.workloads[workload.id] = workload;
    ProxyStatus proxy;
    proxy.name = "post-1";
    proxy.is_connected = true;
    proxy.connected_since = kNow - 300;
    proxy.certificate_not_after = kNow + 12 * 3600;
    proxy.sent_version = "1234567890abcdef";
    proxy.acknowledged_version = "fedcba0987654321";
    proxy.types = {{"clusters", "v2", "v1", "outbound|80||x", "bad cluster"},
                   {"listeners", "v2", "v2", "", ""}};
    proxies.push_back(proxy);
  }
  std::vector<ProxyStatus> Proxies(const ProxyRange& range) const override {
    std::vector<ProxyStatus> some;
    for (const auto& proxy : proxies) {
      if (proxy.name > range.after && some.size() < range.most) some.push_back(proxy);
    }
    return some;
  }
  std::optional<ProxyStatus> ProxyNamed(const std::string& name) const override {
    for (const ProxyStatus& proxy : proxies) {
      if (proxy.name == name) return proxy;
    }
    return std::nullopt;
  }
  const discovery::Mesh& CurrentMesh() const override { return mesh; }
  const discovery::ServiceTable& Services() const override {
    services_ = discovery::BuildServiceTable(mesh);
    return services_;
  }
  snapshot::ResourceTable ConfigOf(const std::string& proxy,
                                   std::string_view type_url) const override {
    return *snapshot::BuildSnapshot(mesh, {proxy}).TableOf(type_url);
  }
  const policy::PolicySet& ClusterPolicies() const override { return cluster_policies; }
  bool IsServedByCluster(policy::Kind kind) const override { return kind == cluster_kind; }
  bool IsInCluster() const override { return is_in_cluster; }
  std::map<std::string, std::string> RefusedPolicies() const override { return refused_policies; }
  std::map<std::string, std::string> UnresolvedRoutes() const override { return unresolved_routes; }
  std::map<std::string, size_t> PodsWithoutSidecar() const override { return without_sidecar; }
  size_t HeldLeases() const override { return 0; }
  const registry::OpenBreakers& OpenBreakers() const override { return breakers; }
  uint16_t GrpcPort() const override { return grpc_port; }

  discovery::Mesh mesh;
  std::map<std::string, std::string> refused_policies;
  std::map<std::string, std::string> unresolved_routes;
  bool is_in_cluster = false;
  std::map<std::string, size_t> without_sidecar;
  std::vector<ProxyStatus> proxies;
  policy::PolicySet cluster_policies;
  std::optional<policy::Kind> cluster_kind;
  registry::OpenBreakers breakers;
  uint16_t grpc_port = 0;

 private:
  mutable discovery::ServiceTable services_;
};

class ApiFixture : public testing::Test {
 protected:
  explicit ApiFixture(std::string version)
      : store_(*store::SqliteStore::Open(":memory:")),
        book_(*discovery::PolicyBook::Open(store_.get())),
        authority_(*ca::MeshAuthority::Open({}, store_.get(), &keys_, kNow)),
        tokens_(store_.get(), &keys_),
        credentials_(store_.get(), &keys_),
        api_(PartsOf(std::move(version))) {}

  // A response that comes later, once it has come.
  ApiResponse Settled(ApiResponse response) {
    if (!response.later) return response;
    std::optional<ApiResponse> settled;
    response.later([&settled](ApiResponse late) { settled = std::move(late); });
    simulation_.RunUntil([&settled] { return settled.has_value(); }, std::chrono::seconds(10));
    EXPECT_TRUE(settled) << "no answer";
    return settled.value_or(ApiResponse{500, "{}"});
  }
  Api::Parts PartsOf(std::string version) {
    Api::Parts parts{book_.get(), authority_.get(),       &tokens_,          &credentials_,
                     &view_,      [this] { ++changes_; }, std::move(version)};
    parts.traces = &traces_;
    parts.traffic = &traffic_;
    parts.store = store_.get();
    parts.live = {&failures_, &questions_, &taps_};
    parts.events = &events_;
    return parts;
  }

  certs::SystemKeySource keys_;
  std::unique_ptr<store::SqliteStore> store_;
  std::unique_ptr<discovery::PolicyBook> book_;
  std::unique_ptr<ca::MeshAuthority> authority_;
  ca::JoinTokens tokens_;
  Credentials credentials_;
  FakeView view_;
  insight::TraceRing traces_;
  insight::TrafficBook traffic_{kNow - 3600};
  sim::Simulation simulation_{1};
  std::unique_ptr<loop::Loop> loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.1"}));
  insight::FailureBook failures_;
  insight::EventBook events_;
  insight::Respondents respondents_;
  insight::Questions questions_{*loop_, respondents_};
  insight::Taps taps_{*loop_, respondents_};
  int changes_ = 0;
  Api api_;
};

}  // namespace tulle::api
