#include "control-plane/cli/kubernetes_https.h"

#include <unistd.h>

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control-plane/cli/cluster_login.h"
#include "control-plane/cli/exec_command.h"
#include "control-plane/cli/https_call.h"
#include "control-plane/cli/user_error.h"
#include "k8s/api/json.h"
#include "k8s/api/server_tls.h"

namespace tulle::cli {
namespace {

constexpr char kOther[] = "name another cluster with --context NAME or --kubeconfig FILE";

class KubernetesHttps final : public KubernetesApi {
 public:
  explicit KubernetesHttps(k8s::Login login) : login_(std::move(login)) {}

  absl::StatusOr<ApiReply> Send(const k8s::Request& request, const Headers& headers) override {
    if (absl::Status ready = Prepare(); !ready.ok()) return ready;
    const auto token = login_.cluster.token.Read();
    if (!token.ok()) return Unusable(token.status());
    HttpsRequest https{request.method, request.target, headers, request.body};
    https.headers.emplace_back("accept", request.accept);
    https.headers.emplace_back("user-agent", "tullectl");
    if (!request.body.empty()) https.headers.emplace_back("content-type", request.content_type);
    if (!token->empty()) https.headers.emplace_back("authorization", "Bearer " + *token);
    HttpsOutcome outcome = CallHttps(*server_, https);
    if (!outcome.unknown_host.empty()) return UserError(WithSource(outcome.unknown_host), kOther);
    if (outcome.failure) return Explain(outcome.failure);
    if (outcome.reply.status == 401 && IsOfServer(outcome.reply)) return Rejected();
    return std::move(outcome.reply);
  }

 private:
  // Once: the credentials, and the files.
  absl::Status Prepare() {
    if (server_) return absl::OkStatus();
    k8s::Cluster& cluster = login_.cluster;
    if (login_.exec) {
      const absl::Status ran = RunExecPlugin(*login_.exec, isatty(STDIN_FILENO) == 1, &cluster);
      if (!ran.ok()) return ran;
    }
    auto spec = k8s::TlsWith(cluster, "http/1.1");
    if (!spec.ok()) return Unusable(spec.status());
    server_ = HttpsServer{cluster.host, cluster.port, cluster.Authority(), *std::move(spec)};
    return absl::OkStatus();
  }

  std::string WithSource(const std::string& error) const {
    return absl::StrCat(error, " (", Describe(login_), ")");
  }
  std::string Server() const { return absl::StrCat("https://", login_.cluster.Authority()); }

  absl::Status Unusable(const absl::Status& why) const {
    return UserError(WithSource(std::string(why.message())),
                     "check the files that the kubeconfig names");
  }

  static bool IsOfServer(const ApiReply& reply) {
    const k8s::Json json = k8s::Json::parse(reply.body, nullptr, /*allow_exceptions=*/false);
    return k8s::TextAt(json, {"kind"}) == "Status";
  }
  absl::Status Rejected() const {
    return UserError(WithSource(absl::StrCat("the API server ", Server(),
                                             " rejected the credentials: HTTP status 401")),
                     "they may be expired: log in as for kubectl, and try `kubectl auth whoami`");
  }

  absl::Status Explain(const Failure& failure) const {
    const std::string reason = ReasonOf(failure);
    const std::string server = absl::StrCat("the API server ", Server());
    const FailureKind kind = failure.kind;
    if (kind == FailureKind::kConnectRefused || kind == FailureKind::kConnectTimeout) {
      return UserError(WithSource(absl::StrCat("cannot connect to ", server, ": ", reason)),
                       absl::StrCat("is the cluster running? Or ", kOther));
    }
    if (kind == FailureKind::kPeerRefused) {
      return UserError(WithSource(absl::StrCat("cannot verify ", server, ": ", reason)),
                       "compare certificate-authority and tls-server-name of the kubeconfig with "
                       "the cluster's");
    }
    if (kind == FailureKind::kRequestTimeout) {
      return UserError(WithSource(absl::StrCat(server, " did not respond within 30 s")),
                       "check the network and `kubectl get --raw /readyz`");
    }
    return UserError(WithSource(absl::StrCat("connection to ", server, " failed: ", reason)),
                     absl::StrCat("try again, or ", kOther));
  }

  k8s::Login login_;
  std::optional<HttpsServer> server_;
};

}  // namespace

std::unique_ptr<KubernetesApi> NewKubernetesHttps(const k8s::Login& login) {
  return std::make_unique<KubernetesHttps>(login);
}

}  // namespace tulle::cli
