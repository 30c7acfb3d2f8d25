// `tullectl install --apply` and `uninstall --apply`: at the API server of a cluster, with the
// user's own rights.
#include <chrono>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "control-plane/cli/cluster_install.h"
#include "control-plane/cli/cluster_login.h"
#include "control-plane/cli/installed_objects.h"
#include "control-plane/cli/user_error.h"
#include "k8s/inject/settings.h"

namespace tulle::cli {
namespace {

constexpr char kDeployment[] = "/apis/apps/v1/namespaces/tulle-system/deployments/tulle-control";
constexpr char kPods[] = "/api/v1/namespaces/tulle-system/pods?labelSelector=app%3Dtulle-control";

// Prints what has changed since the last look.
absl::Status AwaitControl(Session& session, InstalledObjects& objects) {
  std::string told;
  for (int64_t left = session.invocation.wait_seconds;; --left) {
    const auto deployment = objects.Get(kDeployment);
    if (!deployment.ok()) return deployment.status();
    const auto pods = objects.Get(kPods);
    if (!pods.ok()) return pods.status();
    const std::string now = absl::StrJoin(HindrancesOf(*deployment, *pods), "\n  ");
    if (now.empty()) return absl::OkStatus();
    if (left <= 0) {
      return UserError(
          absl::StrCat("tulle-control is not available after ", session.invocation.wait_seconds,
                       " s:\n  ", now),
          "check `kubectl -n tulle-system describe pods` and `kubectl -n tulle-system logs "
          "deployment/tulle-control`");
    }
    if (now != told) session.err() << "waiting for tulle-control:\n  " << now << "\n";
    told = now;
    session.environment.pause(std::chrono::seconds(1));
  }
}

absl::StatusOr<std::string> WhereOf(Session& session) {
  const auto destination = session.ResolvedDestination();
  if (!destination.ok()) return destination.status();
  if (destination->login) return Describe(*destination->login);
  return UserError("--apply works with a cluster, and a control plane is configured directly",
                   "name the cluster with --kubeconfig FILE");
}

// Namespaces whose pods would be refused without the webhook's control plane.
absl::StatusOr<std::string> InjectedNamespaces(InstalledObjects& objects) {
  const auto found = objects.Get(absl::StrCat(
      "/api/v1/namespaces?labelSelector=", std::string(inject::kInjectLabel), "%3Denabled"));
  if (!found.ok()) return found.status();
  std::string names;
  for (const Json& ns : PartAt(*found, "/items"))
    absl::StrAppend(&names, names.empty() ? "" : ", ", TextAt(ns, "/metadata/name"));
  return names;
}

absl::Status Confirm(Session& session, InstalledObjects& objects, size_t count,
                     const std::string& where) {
  if (session.invocation.yes) return absl::OkStatus();
  const auto injected = InjectedNamespaces(objects);
  if (!injected.ok()) return injected.status();
  session.err() << "This deletes Tulle from the cluster of " << where << ": " << count
                << " objects, all policies of tulle.dev, and the roots of the mesh.\n";
  if (!injected->empty()) {
    session.err() << "Pods of these namespaces still have the label " << inject::kInjectLabel
                  << ": " << *injected << ". Remove it and restart their workloads first.\n";
  }
  session.err() << "Type yes to continue: ";
  session.err().flush();
  std::string answer;
  std::getline(session.environment.in, answer);
  return answer == "yes" ? absl::OkStatus()
                         : UserError("nothing was deleted", "--yes answers the question");
}

}  // namespace

absl::StatusOr<int> ApplyInstallation(Session& session, const std::vector<Json>& objects) {
  const auto where = WhereOf(session);
  if (!where.ok()) return where.status();
  const auto api = session.Cluster();
  if (!api.ok()) return api.status();
  InstalledObjects installed(**api, *where);
  for (const Json& object : objects) {
    const auto action = installed.Apply(object);
    if (!action.ok()) return action.status();
    session.out() << ResourceName(object) << " " << *action << "\n";
    session.out().flush();
  }
  if (absl::Status ready = AwaitControl(session, installed); !ready.ok()) return ready;
  session.out() << "tulle-control is available. Mesh the pods of a namespace: kubectl label "
                   "namespace NAME tulle.dev/inject=enabled\n";
  return 0;
}

absl::StatusOr<int> DeleteInstallation(Session& session, const std::vector<Json>& objects) {
  const auto where = WhereOf(session);
  if (!where.ok()) return where.status();
  const auto api = session.Cluster();
  if (!api.ok()) return api.status();
  InstalledObjects installed(**api, *where);
  if (absl::Status sure = Confirm(session, installed, objects.size(), *where); !sure.ok())
    return sure;
  for (const Json& object : objects) {
    const auto was_there = installed.Delete(object);
    if (!was_there.ok()) return was_there.status();
    if (*was_there) session.out() << ResourceName(object) << " deleted\n";
    session.out().flush();
  }
  return 0;
}

}  // namespace tulle::cli
