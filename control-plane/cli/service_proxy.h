// The REST API of the control plane in a cluster, through the API server's proxy of Services. The
// proxy removes Authorization, so each call carries a token of a service account of the
// installation, which the API server issues for 10 minutes: tulle-viewer's to read, tulle-admin's
// to change something. Whether the user may have it is decided by the cluster's RBAC.
//
// If there are several replicas, what follows from the proxies that are connected to them is asked
// from each pod and merged; any of them answers all else. A replica that does not answer is named
// in a warning, and the answers of the others count. Owner: the session of one command. Thread: the
// only one.
#pragma once

#include <map>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "control-plane/cli/api_client.h"
#include "control-plane/cli/json_text.h"
#include "control-plane/cli/kubernetes_api.h"
#include "k8s/api/kubeconfig.h"

namespace tulle::cli {

class ServiceProxy final : public ApiClient {
 public:
  // All outlive this.
  ServiceProxy(KubernetesApi& api, const k8s::Login& login, std::ostream& warnings)
      : api_(api), login_(login), warnings_(warnings) {}

  absl::StatusOr<ApiReply> Send(const ApiCall& call) override;
  // The API server's certificate is verified with the CA of the kubeconfig.
  void SetTrust(const std::string&) override {}

 private:
  // `way`: a Service or a pod, and its proxy.
  absl::StatusOr<ApiReply> SendTo(const std::string& way, const ApiCall& call);
  // As it comes: errors of the API server are not explained.
  absl::StatusOr<ApiReply> PassTo(const std::string& way, const ApiCall& call);
  absl::StatusOr<ApiReply> Explained(const std::string& way, const ApiCall& call, ApiReply reply);
  absl::StatusOr<ApiReply> SendToReplicas(const ApiCall& call);
  // From the replica that the proxy is connected to.
  absl::StatusOr<ApiReply> FindProxy(const ApiCall& call);
  // A tap is open at each replica, under an id of its own.
  absl::StatusOr<ApiReply> SendToTap(const ApiCall& call);
  // Each replica has the spans of its sidecars.
  absl::StatusOr<ApiReply> FindTrace(const ApiCall& call);
  absl::StatusOr<ApiReply> SearchTraces(const ApiCall& call);
  // From the records that the sidecars of all replicas have.
  absl::StatusOr<ApiReply> Explain(const ApiCall& call);
  // Absent: a replica has answered. Else the refusal of the first one that refused.
  std::optional<absl::StatusOr<ApiReply>> AskAll(const ApiCall& call, std::vector<Json>* answers);
  // Absent: it does not answer, now or earlier in this command.
  std::optional<absl::StatusOr<ApiReply>> Ask(const std::string& pod, const ApiCall& call);
  absl::StatusOr<std::string> TokenOf(const char* account);
  // Names of the ready pods of the control plane; empty: not known, or one alone.
  absl::StatusOr<std::vector<std::string>> Replicas();
  absl::Status RefusedToken(const char* account, const ApiReply& reply) const;
  absl::Status RefusedProxy(const std::string& way, const ApiCall& call, int status,
                            const std::string& message) const;

  KubernetesApi& api_;
  const k8s::Login& login_;
  std::ostream& warnings_;
  std::map<std::string, std::string> tokens_;  // by account
  std::optional<std::vector<std::string>> replicas_;
  std::set<std::string> silent_;  // of these
};

}  // namespace tulle::cli
