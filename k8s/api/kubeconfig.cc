// Reads kubeconfig files (kubernetes/client-go, tools/clientcmd/api/v1/types.go).
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <filesystem>
#include <string_view>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "k8s/api/cluster.h"

namespace tulle::k8s {
namespace {

std::string TextOf(const YAML::Node& node, const char* key) {
  if (!node.IsMap() || !node[key] || !node[key].IsScalar()) return "";
  return node[key].Scalar();
}

// The entry of `list` that is called `name`; its part `kind` ("cluster", "user", "context").
absl::StatusOr<YAML::Node> Named(const YAML::Node& config, const char* list,
                                 const std::string& name, const char* kind) {
  const YAML::Node entries = config[list];
  if (entries && entries.IsSequence()) {
    for (const YAML::Node& entry : entries) {
      if (TextOf(entry, "name") == name && entry[kind]) return YAML::Node(entry[kind]);
    }
  }
  return absl::NotFoundError(absl::StrCat("kubeconfig: ", kind, " \"", name, "\" not found"));
}

// KEY-data (base64) or KEY (a file).
absl::StatusOr<TextSource> SourceOf(const YAML::Node& node, const std::string& key,
                                    const std::string& folder) {
  TextSource source;
  const std::string data = TextOf(node, (key + "-data").c_str());
  if (!data.empty() && !absl::Base64Unescape(data, &source.text)) {
    return absl::InvalidArgumentError(absl::StrCat("kubeconfig: ", key, "-data is not base64"));
  }
  const std::string file = TextOf(node, key.c_str());
  if (data.empty() && !file.empty()) {
    source.file = (std::filesystem::path(folder) / file).string();
  }
  return source;
}

absl::Status ReadServer(const std::string& url, Cluster* cluster) {
  constexpr std::string_view kScheme = "https://";
  std::string_view rest = url;
  const auto invalid = [&url] {
    return absl::InvalidArgumentError(
        absl::StrCat("kubeconfig: server \"", url, "\": expected https://HOST[:PORT]"));
  };
  if (!rest.starts_with(kScheme)) return invalid();
  rest.remove_prefix(kScheme.size());
  if (rest.ends_with('/')) rest.remove_suffix(1);
  size_t end = rest.rfind(':');
  if (rest.starts_with('[')) {
    const size_t bracket = rest.find(']');
    if (bracket == std::string_view::npos) return invalid();
    end = bracket + 1 == rest.size() ? std::string_view::npos : bracket + 1;
    cluster->host = std::string(rest.substr(1, bracket - 1));
  } else {
    cluster->host = std::string(rest.substr(0, end));
  }
  if (cluster->host.empty() || rest.find('/') != std::string_view::npos) return invalid();
  if (end == std::string_view::npos) return absl::OkStatus();
  const std::string_view port = rest.substr(end + 1);
  const auto parsed = std::from_chars(port.data(), port.data() + port.size(), cluster->port);
  const bool is_port = rest[end] == ':' && parsed.ec == std::errc() &&
                       parsed.ptr == port.data() + port.size() && cluster->port != 0;
  return is_port ? absl::OkStatus() : invalid();
}

absl::Status ReadCluster(const YAML::Node& node, const std::string& folder, Cluster* cluster) {
  if (TextOf(node, "insecure-skip-tls-verify") == "true" || !TextOf(node, "proxy-url").empty()) {
    return absl::UnimplementedError(
        "kubeconfig: insecure-skip-tls-verify and proxy-url are not supported");
  }
  if (absl::Status server = ReadServer(TextOf(node, "server"), cluster); !server.ok())
    return server;
  cluster->server_name = TextOf(node, "tls-server-name");
  if (cluster->server_name.empty()) cluster->server_name = cluster->host;
  auto ca = SourceOf(node, "certificate-authority", folder);
  if (!ca.ok()) return ca.status();
  cluster->ca = *std::move(ca);
  if (!cluster->ca.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "kubeconfig: certificate-authority or certificate-authority-data is required");
}

absl::Status ReadUser(const YAML::Node& node, const std::string& folder, Cluster* cluster) {
  for (const char* key : {"exec", "auth-provider", "username", "as"}) {
    if (!node[key]) continue;
    return absl::UnimplementedError(
        absl::StrCat("kubeconfig: user.", key,
                     " is not supported: use a token, a tokenFile or a client certificate (such as "
                     "`kubectl create token`)"));
  }
  cluster->token.text = TextOf(node, "token");
  const std::string file = TextOf(node, "tokenFile");
  if (!file.empty()) cluster->token.file = (std::filesystem::path(folder) / file).string();
  auto certificate = SourceOf(node, "client-certificate", folder);
  auto key = SourceOf(node, "client-key", folder);
  if (!certificate.ok()) return certificate.status();
  if (!key.ok()) return key.status();
  cluster->client_certificate = *std::move(certificate);
  cluster->client_key = *std::move(key);
  if (cluster->client_certificate.empty() != cluster->client_key.empty()) {
    return absl::InvalidArgumentError(
        "kubeconfig: client-certificate and client-key are required together");
  }
  if (!cluster->token.empty() || !cluster->client_certificate.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "kubeconfig: the user has no token, tokenFile or client certificate");
}

absl::StatusOr<Cluster> ReadConfig(const YAML::Node& config, const std::string& folder) {
  if (!config.IsMap()) return absl::InvalidArgumentError("kubeconfig: expected a YAML mapping");
  const std::string current = TextOf(config, "current-context");
  if (current.empty()) {
    return absl::InvalidArgumentError(
        "kubeconfig: current-context is required: set it with `kubectl config use-context`");
  }
  const auto context = Named(config, "contexts", current, "context");
  if (!context.ok()) return context.status();
  const auto cluster = Named(config, "clusters", TextOf(*context, "cluster"), "cluster");
  if (!cluster.ok()) return cluster.status();
  const auto user = Named(config, "users", TextOf(*context, "user"), "user");
  if (!user.ok()) return user.status();
  Cluster read;
  absl::Status status = ReadCluster(*cluster, folder, &read);
  if (status.ok()) status = ReadUser(*user, folder, &read);
  if (!status.ok()) return status;
  return read;
}

}  // namespace

absl::StatusOr<Cluster> ParseKubeconfig(const std::string& yaml, const std::string& folder) {
  try {
    return ReadConfig(YAML::Load(yaml), folder);
  } catch (const YAML::Exception& e) {
    return absl::InvalidArgumentError(absl::StrCat("kubeconfig: invalid YAML: ", e.what()));
  }
}

absl::StatusOr<Cluster> ReadKubeconfig(const std::string& path) {
  const auto yaml = TextSource{"", path}.Read();
  if (!yaml.ok()) return yaml.status();
  return ParseKubeconfig(*yaml, std::filesystem::path(path).parent_path().string());
}

}  // namespace tulle::k8s
