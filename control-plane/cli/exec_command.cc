#include "control-plane/cli/exec_command.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

using k8s::ExecPlugin;

// An ExecCredential has some KB.
constexpr size_t kMostOutput = 1 << 20;

std::vector<std::string> VariablesFor(const ExecPlugin& plugin, const std::string& exec_info) {
  std::map<std::string, std::string> variables;
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string text = *each;
    const size_t equals = text.find('=');
    if (equals != std::string::npos) variables[text.substr(0, equals)] = text.substr(equals + 1);
  }
  for (const auto& [name, value] : plugin.variables) variables[name] = value;
  variables["KUBERNETES_EXEC_INFO"] = exec_info;
  std::vector<std::string> texts;
  for (const auto& [name, value] : variables) texts.push_back(absl::StrCat(name, "=", value));
  return texts;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Its standard output is `output`; 0 or an errno.
int Spawn(const ExecPlugin& plugin, bool is_interactive, const std::string& exec_info, int output,
          pid_t* child) {
  std::vector<std::string> words = {plugin.command};
  words.insert(words.end(), plugin.arguments.begin(), plugin.arguments.end());
  std::vector<std::string> variables = VariablesFor(plugin, exec_info);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (!is_interactive) posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, 1);
  const int error = posix_spawnp(child, plugin.command.c_str(), &actions, nullptr,
                                 Pointers(words).data(), Pointers(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

std::string ReadAll(int descriptor) {
  std::string text;
  char piece[4096];
  while (text.size() <= kMostOutput) {
    const ssize_t count = read(descriptor, piece, sizeof piece);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    text.append(piece, static_cast<size_t>(count));
  }
  return text;
}

absl::Status Failed(const ExecPlugin& plugin, const std::string& why) {
  return UserError(
      absl::StrCat("the credential plugin ", plugin.command, " of the kubeconfig ", why),
      plugin.install_hint.empty()
          ? "run `kubectl get namespaces`: it uses the same plugin; log in again if it fails too"
          : plugin.install_hint);
}

}  // namespace

absl::Status RunExecPlugin(const ExecPlugin& plugin, bool has_terminal, k8s::Cluster* cluster) {
  using Interactive = ExecPlugin::Interactive;
  const bool is_interactive = has_terminal && plugin.interactive != Interactive::kNever;
  if (plugin.interactive == Interactive::kAlways && !is_interactive)
    return Failed(plugin, "asks questions, and standard input is not a terminal");
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Failed(plugin, strerror(errno));
  pid_t child = 0;
  const int error = Spawn(plugin, is_interactive, k8s::ExecInfo(plugin, *cluster, is_interactive),
                          ends[1], &child);
  close(ends[1]);
  const std::string output = error == 0 ? ReadAll(ends[0]) : "";
  close(ends[0]);
  if (error != 0) return Failed(plugin, absl::StrCat("cannot be started: ", strerror(error)));
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (WIFSIGNALED(status))
    return Failed(plugin, absl::StrCat("was ended by signal ", WTERMSIG(status)));
  if (WEXITSTATUS(status) != 0)
    return Failed(plugin, absl::StrCat("failed with exit code ", WEXITSTATUS(status)));
  const absl::Status taken = k8s::TakeCredentials(plugin, output, cluster);
  return taken.ok() ? taken : UserError(std::string(taken.message()));
}

}  // namespace tulle::cli
