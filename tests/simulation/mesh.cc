#include "tests/simulation/mesh.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

namespace tulle::simulation {
namespace {

constexpr char kControl[] = "10.0.0.3:15012";

SocketAddress Address(const char* text) { return *SocketAddress::ParseWithPort(text); }

std::string NewDirectory() {
  std::string pattern = testing::TempDir() + "/mesh-XXXXXX";
  EXPECT_NE(mkdtemp(pattern.data()), nullptr);
  return pattern;
}

sidecar::Workload ShopWorkload() {
  sidecar::Workload workload;
  workload.outbound_http = 15001;
  return workload;
}

}  // namespace

class Mesh::LogText final : public telemetry::Log::Sink {
 public:
  explicit LogText(std::string& text) : text_(text) {}
  void Write(std::string_view line) override { text_ += line; }

 private:
  std::string& text_;
};

Mesh::Mesh(uint64_t seed, const sim::FaultPlan& plan, OriginHabits habits, const MeshWires& wires)
    : seed_(seed),
      wires_(wires),
      directory_(NewDirectory()),
      log_(telemetry::LogLevel::kWarning, telemetry::Log::Form::kText,
           std::make_unique<LogText>(log_text_)),
      world_(seed, plan),
      shop_host_(world_.AddHost({"10.0.0.1"})),
      post_host_(world_.AddHost({"10.0.0.2"})),
      control_host_(world_.AddHost({"10.0.0.3"})),
      caller_loop_(world_.NewLoop(shop_host_)),
      origin_loop_(world_.NewLoop(post_host_)),
      control_loop_(world_.NewLoop(control_host_)),
      control_keys_(seed * 3) {
  habits.http2 = wires.http2;
  origin_ = std::make_unique<HttpOrigin>(*origin_loop_, Address("127.0.0.1:8080"), habits);
  OpenControlPlane();
  Enrol("shop");
  Enrol("post");
  StartShop(ShopWorkload());
  StartPost();
}

Mesh::~Mesh() {
  post_.reset();
  shop_.reset();
  control_.reset();
  origin_.reset();
  std::filesystem::remove_all(directory_);
}

void Mesh::OpenControlPlane() {
  server::ControlPlaneOptions plane;
  plane.data_dir = directory_;
  plane.store_in_memory = true;
  server::FrontendOptions doors;
  doors.grpc = Address(kControl);
  doors.rest = Address("10.0.0.3:15016");
  doors.health = Address("127.0.0.1:15014");
  auto server = server::ControlServer::Open(plane, doors, *control_loop_, *wires_.transports,
                                            control_keys_, log_);
  EXPECT_TRUE(server.ok()) << server.status();
  control_ = *std::move(server);
}

void Mesh::Enrol(const std::string& account) {
  const std::string state = directory_ + "/" + account;
  EXPECT_EQ(mkdir(state.c_str(), 0700), 0);
  const api::ApiResponse made = Ask("POST", "/v1/tokens", R"({"account":")" + account + R"("})");
  EXPECT_EQ(made.status, 201) << made.body;
  std::ofstream(state + "/token") << nlohmann::json::parse(made.body)["token"].get<std::string>();
}

void Mesh::StartShop(sidecar::Workload workload) {
  shop_ = NewMember(shop_host_, "shop", seed_ * 3 + 1, std::move(workload), wires_.shop_workers);
}

void Mesh::StartPost() {
  sidecar::Workload workload;
  workload.inbound = {wires_.http2 ? "15080:8080:80/http2" : "15080:8080:80/http"};
  post_ = NewMember(post_host_, "post", seed_ * 3 + 2, std::move(workload), 1);
}

std::unique_ptr<MeshMember> Mesh::NewMember(int host, const std::string& account, uint64_t key_seed,
                                            sidecar::Workload workload, int workers) {
  const std::string state = directory_ + "/" + account;
  workload.name = account;
  return std::make_unique<MeshMember>(
      world_, host, key_seed, *wires_.transports,
      sidecar::Membership::Options{
          {Address(kControl)}, state + "/token", state, std::move(workload), {}},
      log_, workers);
}

void Mesh::RestartShop() { RestartShop(ShopWorkload()); }

void Mesh::RestartShop(sidecar::Workload workload) {
  shop_.reset();
  StartShop(std::move(workload));
}

void Mesh::RestartPost() {
  post_.reset();
  StartPost();
}

bool Mesh::Join() {
  const auto joined = [this] { return shop_->ready() && post_->ready(); };
  if (world_.RunUntil(joined, std::chrono::minutes(10)) != sim::Simulation::Outcome::kConditionMet)
    return false;
  // Listeners, and everything they refer to, follow the registration.
  const auto known = [this] {
    const auto shop = shop_->sidecar().loader().Current();
    return !shop->listeners.empty() && !shop->endpoints.empty() &&
           !post_->sidecar().loader().Current()->listeners.empty();
  };
  for (int i = 0; i < 600 && !known(); ++i) world_.RunFor(std::chrono::milliseconds(100));
  world_.RunFor(std::chrono::milliseconds(100));
  return known();
}

api::ApiResponse Mesh::Ask(const std::string& method, const std::string& path,
                           const std::string& body) {
  std::string credential;
  std::ifstream(directory_ + "/admin-credential") >> credential;
  return control().HandleApi({method, path, {}, body, "Bearer " + credential});
}

void Mesh::Apply(const std::string& yaml) {
  const api::ApiResponse response = Ask("POST", "/v1/apply", yaml);
  EXPECT_EQ(response.status, 200) << response.body;
}

void Mesh::RotateRoot() {
  const api::ApiResponse response = Ask("POST", "/v1/certs/rotate", "");
  EXPECT_EQ(response.status, 200) << response.body;
}

bool Mesh::rotating() {
  return control().authority().rotation().phase() != ca::RotationPhase::kSteady;
}

}  // namespace tulle::simulation
