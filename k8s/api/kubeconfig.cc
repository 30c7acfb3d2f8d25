#include "k8s/api/kubeconfig.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <string_view>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace tulle::k8s {
namespace {

std::string TextOf(const YAML::Node& node, const char* key) {
  if (!node.IsMap() || !node[key] || !node[key].IsScalar()) return "";
  return node[key].Scalar();
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

constexpr char kVersion1[] = "client.authentication.k8s.io/v1";
constexpr char kVersion1Beta1[] = "client.authentication.k8s.io/v1beta1";

absl::Status ReadMode(const std::string& mode, ExecPlugin* plugin) {
  using Interactive = ExecPlugin::Interactive;
  if (mode == "Never") {
    plugin->interactive = Interactive::kNever;
  } else if (mode == "Always") {
    plugin->interactive = Interactive::kAlways;
  } else if (mode != "IfAvailable" && !(mode.empty() && plugin->api_version == kVersion1Beta1)) {
    return absl::InvalidArgumentError(
        "kubeconfig: user.exec.interactiveMode is required: Never, IfAvailable or Always");
  }
  return absl::OkStatus();
}

absl::StatusOr<ExecPlugin> ReadExec(const YAML::Node& node, const std::string& folder) {
  ExecPlugin plugin;
  plugin.api_version = TextOf(node, "apiVersion");
  if (plugin.api_version != kVersion1 && plugin.api_version != kVersion1Beta1) {
    return absl::UnimplementedError(absl::StrCat("kubeconfig: user.exec.apiVersion \"",
                                                 plugin.api_version, "\" is not supported: use ",
                                                 kVersion1, " or ", kVersion1Beta1));
  }
  plugin.command = TextOf(node, "command");
  if (plugin.command.empty())
    return absl::InvalidArgumentError("kubeconfig: user.exec.command is required");
  if (plugin.command.find('/') != std::string::npos)
    plugin.command = (std::filesystem::path(folder) / plugin.command).string();
  for (const YAML::Node& argument : node["args"]) plugin.arguments.push_back(argument.Scalar());
  for (const YAML::Node& variable : node["env"])
    plugin.variables.emplace_back(TextOf(variable, "name"), TextOf(variable, "value"));
  plugin.install_hint = TextOf(node, "installHint");
  plugin.wants_cluster = TextOf(node, "provideClusterInfo") == "true";
  if (absl::Status mode = ReadMode(TextOf(node, "interactiveMode"), &plugin); !mode.ok())
    return mode;
  return plugin;
}

absl::Status Unsupported(const char* key) {
  return absl::UnimplementedError(
      absl::StrCat("kubeconfig: user.", key,
                   " is not supported: use a token, a tokenFile or a client certificate (such as "
                   "`kubectl create token`)"));
}

absl::Status ReadKeys(const YAML::Node& node, const std::string& folder, Cluster* cluster) {
  cluster->token.text = TextOf(node, "token");
  const std::string file = TextOf(node, "tokenFile");
  if (!file.empty()) cluster->token.file = (std::filesystem::path(folder) / file).string();
  auto certificate = SourceOf(node, "client-certificate", folder);
  auto key = SourceOf(node, "client-key", folder);
  if (!certificate.ok()) return certificate.status();
  if (!key.ok()) return key.status();
  cluster->client_certificate = *std::move(certificate);
  cluster->client_key = *std::move(key);
  if (cluster->client_certificate.empty() == cluster->client_key.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "kubeconfig: client-certificate and client-key are required together");
}

absl::Status ReadUser(const YAML::Node& node, const std::string& folder, Login* login) {
  for (const char* key : {"auth-provider", "username", "as"})
    if (node[key]) return Unsupported(key);
  Cluster& cluster = login->cluster;
  if (absl::Status keys = ReadKeys(node, folder, &cluster); !keys.ok()) return keys;
  // As in kubectl, a credential of the user's entry overrides the plugin.
  if (!cluster.token.empty() || !cluster.client_certificate.empty()) return absl::OkStatus();
  if (node["exec"]) {
    auto plugin = ReadExec(node["exec"], folder);
    if (!plugin.ok()) return plugin.status();
    login->exec = *std::move(plugin);
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "kubeconfig: the user has no token, tokenFile, client certificate or exec plugin");
}

std::string FolderOf(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

}  // namespace

absl::StatusOr<Kubeconfig> Kubeconfig::Read(const std::vector<std::string>& paths, bool may_lack) {
  Kubeconfig read;
  for (const std::string& path : paths) {
    std::error_code error;
    if (may_lack && !std::filesystem::exists(path, error)) continue;
    const auto yaml = TextSource{"", path}.Read();
    if (!yaml.ok()) return yaml.status();
    if (absl::Status added = read.Add(*yaml, path); !added.ok()) return added;
  }
  return read;
}

absl::StatusOr<Kubeconfig> Kubeconfig::Parse(const std::string& yaml, const std::string& path) {
  Kubeconfig parsed;
  if (absl::Status added = parsed.Add(yaml, path); !added.ok()) return added;
  return parsed;
}

absl::Status Kubeconfig::Add(const std::string& yaml, const std::string& path) {
  try {
    const YAML::Node config = YAML::Load(yaml);
    if (!config.IsMap()) return absl::InvalidArgumentError("kubeconfig: expected a YAML mapping");
    files_.push_back({config, path});
    return absl::OkStatus();
  } catch (const YAML::Exception& e) {
    return absl::InvalidArgumentError(absl::StrCat("kubeconfig: invalid YAML: ", e.what()));
  }
}

std::vector<std::string> Kubeconfig::Contexts() const {
  std::vector<std::string> names;
  for (const File& file : files_) {
    const YAML::Node contexts = file.config["contexts"];
    if (!contexts || !contexts.IsSequence()) continue;
    for (const YAML::Node& context : contexts) {
      std::string name = TextOf(context, "name");
      if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end())
        names.push_back(std::move(name));
    }
  }
  return names;
}

std::string Kubeconfig::FileOf(const std::string& context) const {
  const auto found = Named("contexts", context, "context");
  return found.ok() ? found->file->path : "";
}

std::string Kubeconfig::CurrentContext() const {
  for (const File& file : files_) {
    if (std::string current = TextOf(file.config, "current-context"); !current.empty())
      return current;
  }
  return "";
}

absl::StatusOr<Kubeconfig::Entry> Kubeconfig::Named(const char* list, const std::string& name,
                                                    const char* kind) const {
  for (const File& file : files_) {
    const YAML::Node entries = file.config[list];
    if (!entries || !entries.IsSequence()) continue;
    for (const YAML::Node& entry : entries) {
      if (TextOf(entry, "name") == name && entry[kind]) return Entry{entry[kind], &file};
    }
  }
  return absl::NotFoundError(absl::StrCat("kubeconfig: ", kind, " \"", name, "\" not found"));
}

std::string Kubeconfig::NamespaceOf(const std::string& context) const {
  const auto found = Named("contexts", context, "context");
  std::string ns = found.ok() ? TextOf(found->node, "namespace") : "";
  return ns.empty() ? "default" : ns;
}

absl::StatusOr<Login> Kubeconfig::LoginTo(const std::string& context) const {
  const std::string name = context.empty() ? CurrentContext() : context;
  if (name.empty()) {
    return absl::InvalidArgumentError(
        "kubeconfig: current-context is required: set it with `kubectl config use-context`");
  }
  const auto found = Named("contexts", name, "context");
  if (!found.ok()) return found.status();
  try {
    return Read(*found, name);
  } catch (const YAML::Exception& e) {
    return absl::InvalidArgumentError(absl::StrCat("kubeconfig: invalid entry: ", e.what()));
  }
}

absl::StatusOr<Login> Kubeconfig::Read(const Entry& context, const std::string& name) const {
  const auto cluster = Named("clusters", TextOf(context.node, "cluster"), "cluster");
  if (!cluster.ok()) return cluster.status();
  const auto user = Named("users", TextOf(context.node, "user"), "user");
  if (!user.ok()) return user.status();
  Login login{name, context.file->path, TextOf(context.node, "namespace"), Cluster()};
  absl::Status status = ReadCluster(cluster->node, FolderOf(cluster->file->path), &login.cluster);
  if (status.ok()) status = ReadUser(user->node, FolderOf(user->file->path), &login);
  if (!status.ok()) return status;
  return login;
}

std::vector<std::string> SplitPaths(const std::string& paths) {
  return absl::StrSplit(paths, ':', absl::SkipEmpty());
}

absl::StatusOr<Cluster> ReadKubeconfig(const std::string& path) {
  const auto config = Kubeconfig::Read({path}, /*may_lack=*/false);
  if (!config.ok()) return config.status();
  auto login = config->LoginTo("");
  if (!login.ok()) return login.status();
  if (login->exec) return Unsupported("exec");
  return std::move(login->cluster);
}

}  // namespace tulle::k8s
