#include "k8s/api/exec_plugin.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "k8s/api/json.h"

namespace tulle::k8s {

std::string ExecInfo(const ExecPlugin& plugin, const Cluster& cluster, bool is_interactive) {
  Json spec = {{"interactive", is_interactive}};
  if (plugin.wants_cluster) {
    spec["cluster"] = {{"server", absl::StrCat("https://", cluster.Authority())},
                       {"tls-server-name", cluster.server_name}};
    if (const auto ca = cluster.ca.Read(); ca.ok())
      spec["cluster"]["certificate-authority-data"] = absl::Base64Escape(*ca);
  }
  return Json{{"apiVersion", plugin.api_version}, {"kind", "ExecCredential"}, {"spec", spec}}
      .dump();
}

absl::Status TakeCredentials(const ExecPlugin& plugin, const std::string& output,
                             Cluster* cluster) {
  const auto invalid = [&plugin](const std::string& why) {
    return absl::InvalidArgumentError(
        absl::StrCat("the credential plugin ", plugin.command, " ", why));
  };
  const Json answer = Json::parse(output, nullptr, /*allow_exceptions=*/false);
  if (!answer.is_object() || TextAt(answer, {"kind"}) != "ExecCredential") {
    return invalid("did not print an ExecCredential as JSON");
  }
  const std::string version = TextAt(answer, {"apiVersion"});
  if (version != plugin.api_version) {
    return invalid(absl::StrCat("answered as \"", version, "\", but the kubeconfig expects \"",
                                plugin.api_version, "\""));
  }
  cluster->token.text = TextAt(answer, {"status", "token"});
  cluster->client_certificate.text = TextAt(answer, {"status", "clientCertificateData"});
  cluster->client_key.text = TextAt(answer, {"status", "clientKeyData"});
  if (cluster->client_certificate.empty() != cluster->client_key.empty()) {
    return invalid("gave a client certificate without its key, or a key without its certificate");
  }
  if (cluster->token.empty() && cluster->client_certificate.empty()) {
    return invalid("gave neither a token nor a client certificate");
  }
  return absl::OkStatus();
}

}  // namespace tulle::k8s
