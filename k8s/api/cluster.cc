#include "k8s/api/cluster.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace tulle::k8s {

absl::StatusOr<std::string> TextSource::Read() const {
  if (file.empty()) return text;
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  std::ostringstream content;
  content << in.rdbuf();
  if (!in) {
    const char* why = errno == 0 ? "it is empty" : strerror(errno);
    return absl::NotFoundError(absl::StrCat("cannot read ", file, ": ", why));
  }
  return std::string(absl::StripAsciiWhitespace(content.str()));
}

std::string Cluster::Authority() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  return is_v6 ? absl::StrCat("[", host, "]:", port) : absl::StrCat(host, ":", port);
}

absl::StatusOr<Cluster> InCluster(const Environment& environment, const std::string& folder) {
  Cluster cluster;
  cluster.host = environment("KUBERNETES_SERVICE_HOST");
  const std::string port = environment("KUBERNETES_SERVICE_PORT");
  if (cluster.host.empty() || port.empty()) {
    return absl::FailedPreconditionError(
        "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: --kubernetes works in a "
        "pod only; use --kubeconfig FILE outside of a cluster");
  }
  const auto parsed = std::from_chars(port.data(), port.data() + port.size(), cluster.port);
  if (parsed.ptr != port.data() + port.size() || cluster.port == 0) {
    return absl::InvalidArgumentError(absl::StrCat("invalid KUBERNETES_SERVICE_PORT ", port));
  }
  cluster.server_name = cluster.host;
  cluster.ca.file = folder + "/ca.crt";
  cluster.token.file = folder + "/token";
  for (const TextSource* each : {&cluster.ca, &cluster.token}) {
    if (const auto text = each->Read(); !text.ok()) {
      return absl::FailedPreconditionError(
          absl::StrCat(text.status().message(),
                       ": mount the service account's token (automountServiceAccountToken)"));
    }
  }
  return cluster;
}

}  // namespace tulle::k8s
