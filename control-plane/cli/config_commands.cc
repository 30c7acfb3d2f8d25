#include <filesystem>

#include "control-plane/cli/cluster_login.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/config_file.h"
#include "control-plane/cli/table.h"
#include "control-plane/cli/user_error.h"
#include "net/usage/suggestion.h"

namespace tulle::cli {
namespace {

std::string PathOf(const Session& session) {
  return ConfigPath(session.invocation.connection.config_file, session.environment.variables);
}

absl::StatusOr<ConfigFile> Load(const Session& session) {
  return ConfigFile::Load(PathOf(session), !session.invocation.connection.config_file.empty());
}

absl::Status NoSuchServer(const ConfigFile& config, const std::string& name) {
  return UserError(
      "context " + name + " not found",
      usage::DidYouMean(name, config.Names(), "list contexts with `tullectl config get-contexts`"));
}

// Contexts are used from any folder.
absl::Status SetPath(const std::string& path, std::string* stored) {
  if (path.empty()) return absl::OkStatus();
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  if (error || !std::filesystem::exists(absolute, error)) {
    return UserError("file " + path + " not found", "check the path");
  }
  *stored = absolute.lexically_normal().string();
  return absl::OkStatus();
}

}  // namespace

// Those of the config file, then those of the kubeconfig.
absl::StatusOr<int> GetServers(Session& session) {
  const ConnectionFlags& flags = session.invocation.connection;
  const auto config = Load(session);
  if (!config.ok()) return config.status();
  Table table({"CURRENT", "NAME", "SERVER", "NAMESPACE"});
  std::vector<std::string> names = config->Names();
  for (const ServerEntry& entry : config->entries) {
    table.AddRow({entry.name == config->current ? "*" : " ", entry.name,
                  entry.server.empty() ? "(from the credential file)" : entry.server,
                  entry.ns.empty() ? "default" : entry.ns});
  }
  const auto kubeconfig = LoadKubeconfig(flags, session.environment.variables);
  if (!kubeconfig.ok()) return kubeconfig.status();
  for (const std::string& name : kubeconfig->Contexts()) {
    if (config->Find(name) != nullptr && flags.kubeconfig.empty()) continue;
    const bool is_current = (config->current.empty() || !flags.kubeconfig.empty()) &&
                            name == kubeconfig->CurrentContext();
    names.push_back(name);
    table.AddRow({is_current ? "*" : " ", name, "(cluster of the kubeconfig)",
                  kubeconfig->NamespaceOf(name)});
  }
  if (names.empty()) {
    session.err() << "No contexts in " << PathOf(session)
                  << ", and no kubeconfig. Create one with `tullectl config set-context NAME "
                     "--credential-file FILE`.\n";
    return 0;
  }
  if (session.invocation.format == Format::kName) {
    for (const std::string& name : names) session.out() << name << "\n";
  } else {
    session.Show(table);
  }
  return 0;
}

absl::StatusOr<int> CurrentServer(Session& session) {
  const auto config = Load(session);
  if (!config.ok()) return config.status();
  if (config->current.empty()) {
    return UserError("no current context", "set one with `tullectl config use-context NAME`");
  }
  session.out() << config->current << "\n";
  return 0;
}

absl::StatusOr<int> UseServer(Session& session) {
  auto config = Load(session);
  if (!config.ok()) return config.status();
  const std::string& name = session.invocation.name;
  if (config->Find(name) == nullptr) return NoSuchServer(*config, name);
  config->current = name;
  const absl::Status saved = config->Save(PathOf(session));
  if (!saved.ok()) return saved;
  session.out() << "Switched to context \"" << name << "\".\n";
  return 0;
}

absl::StatusOr<int> SetServer(Session& session) {
  auto config = ConfigFile::Load(PathOf(session));
  if (!config.ok()) return config.status();
  const Invocation& wanted = session.invocation;
  const bool is_new = config->Find(wanted.name) == nullptr;
  ServerEntry& entry = config->FindOrAdd(wanted.name);
  if (!wanted.connection.server.empty()) {
    auto server = NormalizeServer(wanted.connection.server);
    if (!server.ok()) return server.status();
    entry.server = *std::move(server);
  }
  for (const absl::Status& status :
       {SetPath(wanted.connection.credential_file, &entry.credential_file),
        SetPath(wanted.connection.ca_file, &entry.ca_file)}) {
    if (!status.ok()) return status;
  }
  if (!wanted.ns.empty()) entry.ns = wanted.ns;
  if (config->current.empty()) config->current = wanted.name;
  const absl::Status saved = config->Save(PathOf(session));
  if (!saved.ok()) return saved;
  session.out() << "Context \"" << wanted.name << "\" " << (is_new ? "created" : "changed")
                << (config->current == wanted.name ? ", in use.\n" : ".\n");
  return 0;
}

absl::StatusOr<int> DeleteServer(Session& session) {
  auto config = Load(session);
  if (!config.ok()) return config.status();
  const std::string& name = session.invocation.name;
  if (std::erase_if(config->entries, [&](const auto& entry) { return entry.name == name; }) == 0) {
    return NoSuchServer(*config, name);
  }
  if (config->current == name) config->current.clear();
  const absl::Status saved = config->Save(PathOf(session));
  if (!saved.ok()) return saved;
  session.out() << "Context \"" << name << "\" deleted.\n";
  return 0;
}

absl::StatusOr<int> ViewConfig(Session& session) {
  const auto config = Load(session);
  if (!config.ok()) return config.status();
  session.out() << config->ToYaml();
  return 0;
}

}  // namespace tulle::cli
