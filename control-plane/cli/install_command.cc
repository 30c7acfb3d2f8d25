// `tullectl install` and `uninstall`: print what kubectl applies and deletes, or do it.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control-plane/cli/cluster_install.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/json_text.h"
#include "control-plane/cli/user_error.h"
#include "k8s/install/chart.h"
#include "k8s/install/manifests.h"
#include "telemetry/version.h"

namespace tulle::cli {
namespace {

namespace fs = std::filesystem;

install::Settings SettingsOf(const Session& session) {
  install::Settings settings = session.invocation.installation;
  settings.replicas = absl::StrCat(session.invocation.replicas);
  settings.cni = session.invocation.cni ? "true" : "false";
  return settings;
}

void Print(const std::vector<Json>& objects, std::ostream& out) {
  for (const Json& object : objects) out << "---\n" << ToYaml(object);
}

absl::StatusOr<int> WriteChart(Session& session) {
  const fs::path folder = session.invocation.chart;
  std::error_code error;
  if (fs::exists(folder, error)) {
    return UserError(absl::StrCat(folder.string(), " exists"),
                     "name a new folder, or remove it first");
  }
  for (const auto& [name, text] :
       install::Chart(telemetry::kVersion, SettingsOf(session), ToYaml)) {
    fs::create_directories((folder / name).parent_path(), error);
    errno = 0;
    std::ofstream file(folder / name);
    file << text;
    file.close();
    if (!file) {
      return UserError(
          absl::StrCat("cannot write ", (folder / name).string(), ": ", strerror(errno)),
          "check owner, mode and free space of its folder");
    }
  }
  session.err() << "wrote the chart; install it with\n  helm install tulle " << folder.string()
                << " --namespace tulle-system --create-namespace\n";
  return 0;
}

}  // namespace

std::vector<Json> InstallationOf(const Session& session) {
  const install::Settings settings = SettingsOf(session);
  std::vector<Json> objects;
  if (!session.invocation.skip_crds) objects = install::Definitions();
  if (settings.cni == "true")
    for (Json& object : install::CniPlugin(settings)) objects.push_back(std::move(object));
  for (Json& object : install::Manifests(settings)) objects.push_back(std::move(object));
  return objects;
}

absl::StatusOr<int> PrintInstallation(Session& session) {
  if (!session.invocation.chart.empty()) return WriteChart(session);
  if (session.invocation.apply) return ApplyInstallation(session, InstallationOf(session));
  Print(InstallationOf(session), session.out());
  return 0;
}

// The CNI plugin is removed by pods on its nodes. All else in the opposite order: the webhook
// first, so that pods can be created meanwhile, then the namespace, then the definitions with all
// policies.
absl::StatusOr<int> PrintRemoval(Session& session) {
  const install::Settings settings = SettingsOf(session);
  if (settings.cni == "true") return Print(install::CniRemoval(settings), session.out()), 0;
  std::vector<Json> objects = InstallationOf(session);
  std::reverse(objects.begin(), objects.end());
  if (session.invocation.apply) return DeleteInstallation(session, objects);
  Print(objects, session.out());
  return 0;
}

}  // namespace tulle::cli
