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

// Both files: contexts of either can be used.
struct Contexts {
  ConfigFile own;
  k8s::Kubeconfig kubeconfig;
};

absl::StatusOr<Contexts> LoadAll(const Session& session) {
  auto own = Load(session);
  if (!own.ok()) return own.status();
  auto kubeconfig = LoadKubeconfig(session.invocation.connection, session.environment.variables);
  if (!kubeconfig.ok()) return kubeconfig.status();
  return Contexts{*std::move(own), *std::move(kubeconfig)};
}

std::string KubeconfigOf(const Session& session) {
  return KubeconfigPaths(session.invocation.connection, session.environment.variables);
}

absl::Status NotFound(const Session& session, const Contexts& all) {
  const std::string& name = session.invocation.name;
  std::vector<std::string> known = all.own.Names();
  for (std::string& each : all.kubeconfig.Contexts()) known.push_back(std::move(each));
  return UserError(
      "context " + name + " not found in " + PathOf(session) + " or " + KubeconfigOf(session),
      usage::DidYouMean(name, known, "list contexts with `tullectl config get-contexts`"));
}

// A context of a cluster: kubectl's to change.
absl::Status OfKubeconfig(const Session& session, const std::string& command) {
  return UserError("context " + session.invocation.name + " is of the kubeconfig " +
                       KubeconfigOf(session) + ", which tullectl does not change",
                   "use `kubectl config " + command + " " + session.invocation.name + "`");
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
  const auto all = LoadAll(session);
  if (!all.ok()) return all.status();
  const std::string current = CurrentContext(flags, all->own, all->kubeconfig);
  Table table({"CURRENT", "NAME", "SERVER", "NAMESPACE", "FILE"});
  std::vector<std::string> names;
  const auto add = [&](const std::string& name, const std::string& server, const std::string& ns,
                       const std::string& file) {
    names.push_back(name);
    table.AddRow({name == current ? "*" : " ", name, server, ns, file});
  };
  // --kubeconfig leaves no choice.
  if (flags.kubeconfig.empty()) {
    for (const ServerEntry& entry : all->own.entries) {
      add(entry.name, entry.server.empty() ? "(from the credential file)" : entry.server,
          entry.ns.empty() ? "default" : entry.ns, PathOf(session));
    }
  }
  for (const std::string& name : all->kubeconfig.Contexts()) {
    if (all->own.Find(name) != nullptr && flags.kubeconfig.empty()) continue;
    add(name, "(a cluster)", all->kubeconfig.NamespaceOf(name), all->kubeconfig.FileOf(name));
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
  const auto all = LoadAll(session);
  if (!all.ok()) return all.status();
  const std::string name = CurrentContext(session.invocation.connection, all->own, all->kubeconfig);
  if (name.empty()) {
    return UserError("no current context in " + PathOf(session) + " or " + KubeconfigOf(session),
                     "set one with `tullectl config use-context NAME`");
  }
  session.out() << name << "\n";
  return 0;
}

absl::StatusOr<int> UseServer(Session& session) {
  auto all = LoadAll(session);
  if (!all.ok()) return all.status();
  const std::string& name = session.invocation.name;
  const bool is_own = all->own.Find(name) != nullptr;
  if (!is_own && !HasContext(all->kubeconfig, name)) return NotFound(session, *all);
  if (!session.invocation.connection.kubeconfig.empty())
    return OfKubeconfig(session, "use-context");
  all->own.current = name;
  const absl::Status saved = all->own.Save(PathOf(session));
  if (!saved.ok()) return saved;
  session.out() << "Switched to context \"" << name << "\"" << (is_own ? "" : " of the kubeconfig")
                << ".\n";
  if (!is_own) {
    session.err() << "tullectl uses it whatever kubectl uses, until `tullectl config unset "
                     "current-context`.\n";
  }
  return 0;
}

absl::StatusOr<int> UnsetCurrentServer(Session& session) {
  auto config = Load(session);
  if (!config.ok()) return config.status();
  config->current.clear();
  const absl::Status saved = config->Save(PathOf(session));
  if (!saved.ok()) return saved;
  session.out() << "Property \"current-context\" unset; that of the kubeconfig is used.\n";
  return 0;
}

absl::StatusOr<int> SetServer(Session& session) {
  auto config = ConfigFile::Load(PathOf(session));
  if (!config.ok()) return config.status();
  const Invocation& wanted = session.invocation;
  const ConnectionFlags& flags = wanted.connection;
  const bool is_new = config->Find(wanted.name) == nullptr;
  if (!flags.kubeconfig.empty()) return OfKubeconfig(session, "set-context");
  if (is_new && flags.server.empty() && flags.credential_file.empty() && flags.ca_file.empty()) {
    return UserError(
        "--credential-file or --server is required: set-context creates contexts of control planes "
        "that are reached directly",
        "a context of a cluster is one of the kubeconfig: create it with `kubectl config "
        "set-context`, then use it with `tullectl config use-context " +
            wanted.name + "` or --context");
  }
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
    const auto all = LoadAll(session);
    if (!all.ok()) return all.status();
    if (HasContext(all->kubeconfig, name)) return OfKubeconfig(session, "delete-context");
    return NotFound(session, *all);
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
