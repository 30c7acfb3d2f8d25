#include "control-plane/cli/cluster_login.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "control-plane/cli/user_error.h"
#include "net/usage/suggestion.h"

namespace tulle::cli {
namespace {

std::string Variable(const Variables& variables, const char* name) {
  const auto found = variables.find(name);
  return found == variables.end() ? std::string() : found->second;
}

struct Files {
  std::vector<std::string> paths;
  bool may_lack = true;    // some of them
  bool are_named = false;  // by the user
};

Files FilesOf(const ConnectionFlags& flags, const Variables& variables) {
  if (!flags.kubeconfig.empty()) return {{flags.kubeconfig}, false, true};
  const std::string listed = Variable(variables, "KUBECONFIG");
  if (!listed.empty()) return {k8s::SplitPaths(listed), true, true};
  return {{Variable(variables, "HOME") + "/.kube/config"}};
}

// The texts of k8s/api name the field; here follows how to choose another destination.
absl::Status Explain(const absl::Status& status, const std::string& paths) {
  return UserError(absl::StrCat(paths, ": ", status.message()),
                   "name another cluster with --kubeconfig FILE or --context NAME, or a control "
                   "plane with --credential-file FILE");
}

// Empty `context`: the current one of the kubeconfig.
absl::StatusOr<std::optional<k8s::Login>> LoginOf(const k8s::Kubeconfig& kubeconfig,
                                                  const std::string& context,
                                                  const ConnectionFlags& flags,
                                                  const Variables& variables) {
  auto login = kubeconfig.LoginTo(context);
  if (!login.ok()) return Explain(login.status(), KubeconfigPaths(flags, variables));
  return std::optional(*std::move(login));
}

absl::Status UnknownContext(const std::string& name, const ConnectionFlags& flags,
                            const ConfigFile& config, const k8s::Kubeconfig& kubeconfig,
                            const Variables& variables) {
  std::vector<std::string> known = config.Names();
  for (std::string& each : kubeconfig.Contexts()) known.push_back(std::move(each));
  return UserError(
      absl::StrCat("context ", name, " not found in ", ConfigPath(flags.config_file, variables),
                   " or ", KubeconfigPaths(flags, variables)),
      usage::DidYouMean(name, known, "list contexts with `tullectl config get-contexts`"));
}

absl::StatusOr<std::optional<k8s::Login>> LoginOfPod(const Variables& variables) {
  if (Variable(variables, "KUBERNETES_SERVICE_HOST").empty()) return std::nullopt;
  auto cluster = k8s::InCluster([&](const char* name) { return Variable(variables, name); });
  // A pod without a token has no say in its cluster.
  if (!cluster.ok()) return std::nullopt;
  const auto ns =
      k8s::TextSource{"", "/var/run/secrets/kubernetes.io/serviceaccount/namespace"}.Read();
  return std::optional(k8s::Login{"in-cluster", "the service account of this pod",
                                  ns.ok() ? *ns : "", *std::move(cluster)});
}

}  // namespace

absl::StatusOr<k8s::Kubeconfig> LoadKubeconfig(const ConnectionFlags& flags,
                                               const Variables& variables) {
  const Files files = FilesOf(flags, variables);
  auto read = k8s::Kubeconfig::Read(files.paths, files.may_lack);
  const std::string paths = absl::StrJoin(files.paths, ", ");
  if (!read.ok()) return Explain(read.status(), paths);
  if (read->empty() && files.are_named) {
    return UserError(absl::StrCat("kubeconfig ", paths, " of $KUBECONFIG not found"),
                     "set $KUBECONFIG to a file that exists, unset it to use ~/.kube/config, or "
                     "pass --kubeconfig FILE");
  }
  return read;
}

std::string KubeconfigPaths(const ConnectionFlags& flags, const Variables& variables) {
  return absl::StrJoin(FilesOf(flags, variables).paths, ", ");
}

bool HasContext(const k8s::Kubeconfig& kubeconfig, const std::string& name) {
  const std::vector<std::string> names = kubeconfig.Contexts();
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string CurrentContext(const ConnectionFlags& flags, const ConfigFile& config,
                           const k8s::Kubeconfig& kubeconfig) {
  const bool is_own = flags.kubeconfig.empty() && !config.current.empty();
  if (is_own) return config.current;
  return kubeconfig.empty() ? "" : kubeconfig.CurrentContext();
}

absl::StatusOr<std::optional<k8s::Login>> FindLogin(const ConnectionFlags& flags,
                                                    const ConfigFile& config,
                                                    const Variables& variables) {
  const bool is_direct =
      !flags.server.empty() || !flags.credential_file.empty() || !flags.ca_file.empty();
  if (is_direct && !flags.kubeconfig.empty()) {
    return UserError("--kubeconfig cannot be used with --server, --credential-file or --ca-file",
                     "the first goes to a cluster, the others directly to a control plane");
  }
  if (is_direct) return std::nullopt;
  const bool is_named = !flags.kubeconfig.empty();
  const std::string& name = flags.context.empty() && !is_named ? config.current : flags.context;
  if (!is_named && !name.empty() && config.Find(name) != nullptr) return std::nullopt;
  const auto kubeconfig = LoadKubeconfig(flags, variables);
  if (!kubeconfig.ok()) return kubeconfig.status();
  if (!is_named && !name.empty() && !HasContext(*kubeconfig, name))
    return UnknownContext(name, flags, config, *kubeconfig, variables);
  if (!kubeconfig->empty()) return LoginOf(*kubeconfig, name, flags, variables);
  return LoginOfPod(variables);
}

std::string Describe(const k8s::Login& login) {
  return absl::StrCat("context ", login.context, " of ", login.source);
}

}  // namespace tulle::cli
