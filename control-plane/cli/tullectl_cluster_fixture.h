// The commands against a cluster's API server: only its answers are faked.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "control-plane/cli/tullectl_fixture.h"

namespace tulle::cli {
inline constexpr char kKubeconfig[] =
    "current-context: here\n"
    "contexts: [{name: here, context: {cluster: c, user: u, namespace: shop}},\n"
    "  {name: gone, context: {cluster: c, user: nobody}}]\n"
    "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:6443', "
    "certificate-authority-data: Q0E=}}]\n"
    "users: [{name: u, user: {token: mine}}]\n";
inline constexpr char kProxy[] =
    "/api/v1/namespaces/tulle-system/services/https:tulle-control:https-api/proxy";

class TullectlInACluster : public Tullectl {
 protected:
  TullectlInACluster() {
    kubeconfig_ = Write("kubeconfig", kKubeconfig);
    cluster_.script = [this](const k8s::Request& request) { return Answer(request); };
  }
  // Tokens for everybody, and the control plane behind the proxy.
  std::optional<ApiReply> Answer(const k8s::Request& request) {
    if (absl::EndsWith(request.target, "/token")) {
      return ApiReply{201, R"({"status":{"token":"issued-secret"}})"};
    }
    if (!absl::StartsWith(request.target, kProxy)) return std::nullopt;
    api::ApiRequest call{request.method,
                         request.target.substr(sizeof kProxy - 1),
                         {},
                         request.body,
                         "Bearer " + secret_};
    if (const size_t mark = call.path.find("?namespace="); mark != std::string::npos) {
      call.query["namespace"] = call.path.substr(mark + sizeof("?namespace=") - 1);
      call.path.resize(mark);
    }
    const api::ApiResponse response = api_.Handle(call, now);
    return ApiReply{response.status, response.WholeBody()};
  }
  static ApiReply Refusal(int status, const std::string& message) {
    return {status, R"({"kind":"Status","message":")" + message + "\"}"};
  }
};

}  // namespace tulle::cli
