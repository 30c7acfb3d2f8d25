// tulle-cni: the CNI plugin when the container runtime calls it, and its installation on a node.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <string>

#include "k8s/cni/installation.h"
#include "k8s/cni/plugin.h"
#include "k8s/cni/pod_network.h"
#include "k8s/cni/watch.h"
#include "net/usage/program.h"

namespace tulle::cni {
namespace {

constexpr char kExamples[] = R"(Examples:
  # In the DaemonSet: install the plugin, and keep it installed
  tulle-cni --install --conf-dir /host/net.d --bin-dir /host/bin
  # Remove it from the node
  tulle-cni --remove --conf-dir /host/net.d --bin-dir /host/bin

The container runtime calls it with CNI_COMMAND in its environment, as the CNI
specification says.

Exit codes: 0 success, 1 error, 2 invalid usage.)";

constexpr int kInvalidUsage = 2;
// A folder that was replaced is not watched any more.
constexpr int kAgainSeconds = 30;
// Rounds in a row in which another program had removed the entry.
constexpr int kFight = 5;
constexpr char kFightText[] =
    "another program keeps removing the entry of tulle-cni: let it keep entries of others "
    "(Cilium: cni.exclusive=false)";

struct CommandLine {
  Installation installation;
  bool install = false;
  bool remove = false;
  bool check = false;
};

std::string FromEnvironment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

int CallPlugin(const std::string& command) {
  const std::string input{std::istreambuf_iterator<char>(std::cin), {}};
  const Answer answer = Respond({command, FromEnvironment("CNI_NETNS")}, input, RealPodNetwork());
  std::fputs(answer.output.c_str(), stdout);
  return answer.exit_code;
}

int Complain(const absl::Status& status) {
  std::fprintf(stderr, "tulle-cni: %s\n", std::string(status.message()).c_str());
  return 1;
}

// Prints what has changed since the last time.
void Report(const absl::Status& status, const char* success, std::string* last) {
  const std::string now(status.ok() ? success : status.message());
  if (now == *last) return;
  std::fprintf(status.ok() ? stdout : stderr, "tulle-cni: %s\n", now.c_str());
  std::fflush(stdout);
  *last = now;
}

// Until the process ends: other programs write the same files. The plugin stays when it ends, since
// pods must be redirected while the DaemonSet is upgraded.
int KeepSo(const CommandLine& line) {
  const Installation& installation = line.installation;
  Watch watch;
  for (const std::string& folder : {installation.conf_folder, installation.bin_folder}) {
    const absl::Status added = watch.Add(folder);
    if (!added.ok()) return Complain(added);
  }
  std::string last;
  int removed = 0;
  do {
    const bool is_missing = line.install && !installation.CheckInstalled().ok();
    absl::Status done = line.install ? installation.Install() : installation.Remove();
    removed = is_missing && done.ok() ? removed + 1 : 0;
    if (removed >= kFight) done = absl::FailedPreconditionError(kFightText);
    Report(done, line.install ? "installed" : "removed", &last);
    // The volumes of this container still lead to a folder that was deleted and made anew.
    if (!watch.exists()) return Complain(absl::NotFoundError("a folder was deleted: ending"));
  } while (watch.Pause(removed < kFight ? 1 : kAgainSeconds) && watch.Wait(kAgainSeconds));
  return 0;
}

int Main(int argc, char** argv) {
  const std::string command = FromEnvironment("CNI_COMMAND");
  if (!command.empty()) return CallPlugin(command);
  CommandLine line;
  CLI::App app("The CNI plugin that redirects the connections of pods to their sidecars");
  usage::Describe(app, "tulle-cni");
  app.footer(kExamples);
  CLI::Option* install =
      app.add_flag("--install", line.install, "install the plugin, and keep it installed");
  CLI::Option* remove =
      app.add_flag("--remove", line.remove, "remove the plugin, and keep it removed");
  install->excludes(remove);
  app.add_flag("--check", line.check, "only check whether --install or --remove has been done");
  app.add_option("--conf-dir", line.installation.conf_folder, "folder of CNI configurations")
      ->type_name("FOLDER")
      ->required();
  app.add_option("--bin-dir", line.installation.bin_folder, "folder of CNI plugins")
      ->type_name("FOLDER")
      ->required();
  const auto one = [&line] {
    return line.install != line.remove
               ? absl::OkStatus()
               : absl::InvalidArgumentError("one of --install and --remove is required");
  };
  if (const auto code = usage::Parse(app, argc, argv, kInvalidUsage, one)) return *code;
  if (!line.check) return KeepSo(line);
  const absl::Status status =
      line.install ? line.installation.CheckInstalled() : line.installation.CheckRemoved();
  return status.ok() ? 0 : Complain(status);
}

}  // namespace
}  // namespace tulle::cni

int main(int argc, char** argv) { return tulle::cni::Main(argc, argv); }
