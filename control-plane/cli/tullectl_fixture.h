// The commands against the real API in one process: only the transport is faked.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "control-plane/api/api_fixture.h"
#include "control-plane/cli/files.h"
#include "control-plane/cli/kubernetes_api.h"
#include "control-plane/cli/tullectl.h"

namespace tulle::cli {

using api::kNow;
using api::kStrict;

inline constexpr char kRoute[] =
    "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: post}\n"
    "spec:\n  parentRefs: [{kind: Service, name: post}]\n  rules:\n"
    "  - backendRefs: [{name: post-v1, port: 80, weight: 90}, {name: post-v2, port: 80, weight: "
    "10}]\n";

class DirectClient : public ApiClient {
 public:
  using Settle = std::function<api::ApiResponse(api::ApiResponse)>;

  // Once `is_unreachable`, it does not answer any more.
  DirectClient(api::Api& api, const int64_t& now, const bool& is_unreachable,
               std::string credential, Settle settle)
      : api_(api),
        now_(now),
        is_unreachable_(is_unreachable),
        authorization_("Bearer " + std::move(credential)),
        settle_(std::move(settle)) {}
  absl::StatusOr<ApiReply> Send(const ApiCall& call) override {
    if (is_unreachable_) return absl::UnavailableError("connection refused");
    const api::ApiResponse response =
        settle_(api_.Handle({call.method, call.path, call.query, call.body, authorization_}, now_));
    return ApiReply{response.status, response.WholeBody()};
  }
  void SetTrust(const std::string&) override {}

 private:
  api::Api& api_;
  const int64_t& now_;
  const bool& is_unreachable_;
  std::string authorization_;
  Settle settle_;
};

// An API server that proxies calls to the API, as far as its script does not answer.
class FakeCluster {
 public:
  using Script = std::function<std::optional<ApiReply>(const k8s::Request&)>;
  struct Seen {
    k8s::Request request;
    KubernetesApi::Headers headers;
  };

  Script script;
  std::vector<Seen> seen;
};

class FakeKubernetes : public KubernetesApi {
 public:
  explicit FakeKubernetes(FakeCluster& cluster) : cluster_(cluster) {}
  absl::StatusOr<ApiReply> Send(const k8s::Request& request, const Headers& headers) override {
    cluster_.seen.push_back({request, headers});
    if (auto reply = cluster_.script(request)) return *std::move(reply);
    return ApiReply{404, R"({"kind":"Status","reason":"NotFound","message":"not found"})"};
  }

 private:
  FakeCluster& cluster_;
};

class NobodyThere : public ApiClient {
 public:
  absl::StatusOr<ApiReply> Send(const ApiCall&) override {
    return absl::UnavailableError("it does not prove to be tulle-control");
  }
  void SetTrust(const std::string&) override {}
};

class Tullectl : public api::ApiFixture {
 protected:
  Tullectl() : ApiFixture("0.0.9"), folder_(testing::TempDir() + "/tullectl") {
    view_.grpc_port = 15912;
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    secret_ = *credentials_.Create({"ann", api::Role::kAdmin}, "test", kNow);
    admin_ =
        Write("admin.json",
              R"({"server":"https://127.0.0.1:15016","ca":"PEM","credential":")" + secret_ + "\"}");
  }

  std::string Write(const std::string& name, const std::string& text) {
    EXPECT_TRUE(WritePrivateFile(folder_ + "/" + name, text).ok());
    return folder_ + "/" + name;
  }

  bool is_unreachable = false;
  size_t width = 0;
  int64_t now = kNow;
  std::function<void()> on_pause = [] {};
  std::function<absl::StatusOr<int>(const PageServing&)> serve_page = {};

  // The exit code; what it said is in out and err.
  int Run(std::vector<std::string> arguments, const std::string& input = "") {
    std::istringstream in(input);
    std::ostringstream out_stream;
    std::ostringstream err_stream;
    Environment environment{.in = in, .out = out_stream, .err = err_stream};
    environment.variables = {{"HOME", folder_}};
    environment.now = [this] { return now; };
    environment.pause = [this](std::chrono::milliseconds) { on_pause(); };
    environment.width = width;
    environment.connect = [&](const Destination& destination) -> std::unique_ptr<ApiClient> {
      if (is_unreachable) return std::make_unique<NobodyThere>();
      return std::make_unique<DirectClient>(
          api_, now, is_unreachable, destination.credential,
          [this](api::ApiResponse response) { return Settled(std::move(response)); });
    };
    environment.enter = [this](const k8s::Login&) {
      return std::make_unique<FakeKubernetes>(cluster_);
    };
    environment.serve_page = serve_page;
    environment.variables["KUBECONFIG"] = kubeconfig_;
    if (kubeconfig_.empty()) arguments.insert(arguments.end(), {"--credential-file", admin_});
    const int code = RunTullectl(arguments, environment);
    out = out_stream.str();
    err = err_stream.str();
    EXPECT_EQ((out + err).find(secret_), std::string::npos) << "a credential was printed";
    return code;
  }

  std::string out;
  std::string err;
  std::string folder_;
  std::string kubeconfig_;  // set: the commands go to cluster_
  FakeCluster cluster_;
  std::string secret_;
  std::string admin_;
};

}  // namespace tulle::cli
