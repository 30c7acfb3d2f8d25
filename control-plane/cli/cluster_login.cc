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
  bool may_lack = true;
};

Files FilesOf(const ConnectionFlags& flags, const Variables& variables) {
  if (!flags.kubeconfig.empty()) return {{flags.kubeconfig}, false};
  const std::string listed = Variable(variables, "KUBECONFIG");
  if (!listed.empty()) return {k8s::SplitPaths(listed)};
  return {{Variable(variables, "HOME") + "/.kube/config"}};
}

std::string PathsOf(const ConnectionFlags& flags, const Variables& variables) {
  return absl::StrJoin(FilesOf(flags, variables).paths, ", ");
}

// The texts of k8s/api name the field; here follows how to choose another destination.
absl::Status Explain(const absl::Status& status, const std::string& paths) {
  return UserError(absl::StrCat(paths, ": ", status.message()),
                   "name another cluster with --kubeconfig FILE or --context NAME, or a control "
                   "plane with --credential-file FILE");
}

absl::StatusOr<std::optional<k8s::Login>> LoginOf(const k8s::Kubeconfig& kubeconfig,
                                                  const ConnectionFlags& flags,
                                                  const Variables& variables) {
  auto login = kubeconfig.LoginTo(flags.context);
  if (!login.ok()) return Explain(login.status(), PathsOf(flags, variables));
  return std::optional(*std::move(login));
}

absl::Status UnknownContext(const ConnectionFlags& flags, const ConfigFile& config,
                            const k8s::Kubeconfig& kubeconfig, const Variables& variables) {
  std::vector<std::string> known = config.Names();
  for (std::string& name : kubeconfig.Contexts()) known.push_back(std::move(name));
  return UserError(
      absl::StrCat("context ", flags.context, " not found in ",
                   ConfigPath(flags.config_file, variables), " or ", PathsOf(flags, variables)),
      usage::DidYouMean(flags.context, known, "list contexts with `tullectl config get-contexts`"));
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
  if (!read.ok()) return Explain(read.status(), absl::StrJoin(files.paths, ", "));
  return read;
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
  if (flags.kubeconfig.empty()) {
    const std::string& own = flags.context.empty() ? config.current : flags.context;
    if (!own.empty() && (flags.context.empty() || config.Find(own) != nullptr)) return std::nullopt;
  }
  const auto kubeconfig = LoadKubeconfig(flags, variables);
  if (!kubeconfig.ok()) return kubeconfig.status();
  if (!flags.context.empty() && flags.kubeconfig.empty()) {
    const std::vector<std::string> names = kubeconfig->Contexts();
    if (std::find(names.begin(), names.end(), flags.context) == names.end())
      return UnknownContext(flags, config, *kubeconfig, variables);
  }
  if (!kubeconfig->empty()) return LoginOf(*kubeconfig, flags, variables);
  return LoginOfPod(variables);
}

std::string Describe(const k8s::Login& login) {
  return absl::StrCat("context ", login.context, " of ", login.source);
}

}  // namespace tulle::cli
