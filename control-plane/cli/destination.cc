#include "control-plane/cli/destination.h"

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "control-plane/cli/cluster_login.h"
#include "control-plane/cli/config_file.h"
#include "control-plane/cli/files.h"
#include "control-plane/cli/user_error.h"
#include "net/usage/suggestion.h"

namespace tulle::cli {
namespace {

using Json = nlohmann::json;

constexpr char kDefaultServer[] = "https://127.0.0.1:15016";
constexpr char kDefaultPort[] = "15016";

std::string FieldOf(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string Trimmed(std::string text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
  return text;
}

absl::Status ReadCredentialFile(const std::string& path, Destination* destination) {
  const auto text = ReadFile(path);
  if (!text.ok()) {
    return UserError(
        ErrorOf(text.status()),
        "tulle-control writes the credential of the first admin to admin.json in its data "
        "directory; only the owner may read it");
  }
  destination->credential_source = path;
  if (text->find('{') != 0) {
    destination->credential = Trimmed(*text);
    if (destination->credential.empty()) {
      return UserError(path + " contains no credential",
                       "use admin.json of tulle-control, or a file with the secret only");
    }
  } else {
    const Json json = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) {
      return UserError(path + " contains no credential", "expected JSON: {server, ca, credential}");
    }
    destination->credential = FieldOf(json, "credential");
    if (destination->credential.empty()) {
      return UserError(path + " contains no credential", "expected JSON: {server, ca, credential}");
    }
    if (destination->server.empty()) destination->server = FieldOf(json, "server");
    if (destination->ca_pem.empty()) {
      destination->ca_pem = FieldOf(json, "ca");
      destination->ca_source = path;
    }
  }
  // It becomes the value of a header, and must not contain anything else.
  for (const char c : destination->credential) {
    if (c <= ' ' || c > '~')
      return UserError(path + " contains no credential", "expected a single word");
  }
  return absl::OkStatus();
}

absl::StatusOr<ConfigFile> LoadConfig(const ConnectionFlags& flags,
                                      const std::map<std::string, std::string>& variables) {
  return ConfigFile::Load(ConfigPath(flags.config_file, variables), !flags.config_file.empty());
}

absl::StatusOr<ServerEntry> FindEntry(const ConnectionFlags& flags, const ConfigFile& config,
                                      const std::map<std::string, std::string>& variables) {
  const std::string& name = flags.context.empty() ? config.current : flags.context;
  if (name.empty()) return ServerEntry();
  if (const ServerEntry* entry = config.Find(name)) return *entry;
  return UserError(
      absl::StrCat("context ", name, " not found in ", ConfigPath(flags.config_file, variables)),
      usage::DidYouMean(name, config.Names(), "list contexts with `tullectl config get-contexts`"));
}

Destination InCluster(k8s::Login login) {
  Destination destination;
  destination.server = absl::StrCat("tulle-control of ", Describe(login));
  if (!login.ns.empty()) destination.ns = login.ns;
  destination.login = std::move(login);
  return destination;
}

bool IsPort(const std::string& text) {
  if (text.empty() || text.size() > 5) return false;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
  }
  return std::stoi(text) > 0 && std::stoi(text) <= 65535;
}

}  // namespace

absl::StatusOr<std::string> NormalizeServer(const std::string& text) {
  std::string authority = text;
  if (authority.starts_with("https://")) authority = authority.substr(sizeof("https://") - 1);
  if (authority.ends_with("/")) authority.pop_back();
  const bool is_v6 = authority.starts_with("[");
  const size_t colon = authority.find(':', is_v6 ? authority.find(']') : 0);
  if (colon == std::string::npos) authority += std::string(":") + kDefaultPort;
  const size_t at = authority.rfind(':');
  const std::string host = authority.substr(0, at);
  if (host.empty() || !IsPort(authority.substr(at + 1)) ||
      host.find_first_of("/ @?#") != std::string::npos || (is_v6 && !host.ends_with("]")) ||
      (!is_v6 && host.find(':') != std::string::npos)) {
    return UserError("invalid server address \"" + text + "\"",
                     std::string("use an address like ") + kDefaultServer);
  }
  return "https://" + authority;
}

absl::StatusOr<Destination> ResolveDestination(
    const ConnectionFlags& flags, const std::map<std::string, std::string>& variables) {
  const auto config = LoadConfig(flags, variables);
  if (!config.ok()) return config.status();
  auto login = FindLogin(flags, *config, variables);
  if (!login.ok()) return login.status();
  if (*login) return InCluster(**std::move(login));
  // What is reached directly needs none of the config file.
  const auto found = FindEntry(flags, *config, variables);
  if (!found.ok()) return found.status();
  ServerEntry entry = *found;
  if (!flags.server.empty()) entry.server = flags.server;
  if (!flags.credential_file.empty()) {
    // The server and CA of the context do not belong to another credential.
    if (flags.context.empty() && flags.credential_file != entry.credential_file) {
      entry.server = flags.server;
      entry.ca_file.clear();
    }
    entry.credential_file = flags.credential_file;
  }
  if (!flags.ca_file.empty()) entry.ca_file = flags.ca_file;
  Destination destination;
  destination.server = entry.server;
  if (!entry.ns.empty()) destination.ns = entry.ns;
  if (!entry.ca_file.empty()) {
    auto pem = ReadFile(entry.ca_file);
    if (!pem.ok()) return pem.status();
    destination.ca_pem = *std::move(pem);
    destination.ca_source = entry.ca_file;
  }
  if (!entry.credential_file.empty()) {
    const absl::Status status = ReadCredentialFile(entry.credential_file, &destination);
    if (!status.ok()) return status;
  }
  if (destination.ca_pem.empty() && !destination.credential_source.empty()) {
    return UserError(
        destination.credential_source +
            " contains no CA certificate to verify the control plane with",
        "pass --ca-file FILE too; where admin.json is, create FILE with `tullectl cert "
        "roots -o raw > FILE`");
  }
  if (destination.ca_pem.empty()) {
    return UserError(
        "no control plane configured, and no kubeconfig found",
        "pass --kubeconfig FILE or --credential-file DATA-DIR/admin.json, or create a context: "
        "`tullectl config set-context NAME --credential-file DATA-DIR/admin.json`");
  }
  if (destination.server.empty()) destination.server = kDefaultServer;
  auto server = NormalizeServer(destination.server);
  if (!server.ok()) return server.status();
  destination.server = *std::move(server);
  return destination;
}

std::string NamespaceOf(const ConnectionFlags& flags,
                        const std::map<std::string, std::string>& variables) {
  constexpr char kDefault[] = "default";
  const auto config = LoadConfig(flags, variables);
  if (!config.ok()) return kDefault;
  if (const auto login = FindLogin(flags, *config, variables); login.ok() && *login)
    return (*login)->ns.empty() ? kDefault : (*login)->ns;
  const auto entry = FindEntry(flags, *config, variables);
  return entry.ok() && !entry->ns.empty() ? entry->ns : kDefault;
}

absl::Status SaveTrust(const Destination& destination, const std::string& ca_pem) {
  if (ca_pem.empty() || ca_pem == destination.ca_pem) return absl::OkStatus();
  if (destination.ca_source != destination.credential_source) {
    return WritePrivateFile(destination.ca_source, ca_pem);
  }
  const auto text = ReadFile(destination.ca_source);
  if (!text.ok()) return text.status();
  Json json = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::OkStatus();
  json["ca"] = ca_pem;
  return WritePrivateFile(destination.ca_source, json.dump(2) + "\n");
}

}  // namespace tulle::cli
