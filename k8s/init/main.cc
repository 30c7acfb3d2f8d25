// Sets, checks and removes the redirection of a pod's or a host's connections to its sidecar.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include "k8s/init/names.h"
#include "k8s/init/network.h"
#include "k8s/init/options.h"
#include "k8s/init/redirect.h"
#include "k8s/init/redirection.h"
#include "k8s/init/tables.h"
#include "k8s/init/verification.h"
#include "net/usage/program.h"

namespace tulle::init {
namespace {

constexpr char kExamples[] = R"(Examples:
  # Before the sidecar starts: set the rules, check them with real connections
  tulle-init
  # On a dedicated host: do not redirect ssh and the database
  tulle-init --exclude-inbound-ports 22 --exclude-outbound-ports 5432
  # In a pod that the CNI plugin redirects: verify it before the sidecar starts
  tulle-init --verify
  # Check the redirection (also while the sidecar runs), then remove it
  tulle-init --check
  tulle-init --remove

Exit codes: 0 success, 1 a step failed or a connection was not redirected,
2 invalid usage.)";

constexpr int kInvalidUsage = 2;  // 1 says that redirection does not work

struct CommandLine {
  Options options;
  bool check = false;
  bool verify = false;
  bool remove = false;
  bool print = false;
  bool without_check = false;
};

void Complain(const absl::Status& status) {
  std::fprintf(stderr, "tulle-init: %s\n", std::string(status.message()).c_str());
}

void AddModes(CLI::App& app, CommandLine& line) {
  const std::pair<const char*, CLI::Option*> modes[] = {
      {"--check", app.add_flag("--check", line.check, "only check that redirection works")},
      {"--verify",
       app.add_flag("--verify", line.verify,
                    "only verify, without capabilities and before the sidecar starts, that calls "
                    "of this user are redirected")},
      {"--remove",
       app.add_flag("--remove", line.remove, "remove the rules, the route and the address")},
      {"--print", app.add_flag("--print", line.print,
                               "only print the rules, for iptables-restore --noflush")}};
  for (const auto& [name, mode] : modes) {
    for (const auto& [other, option] : modes)
      if (option != mode) mode->excludes(option);
  }
  app.add_flag("--no-check", line.without_check, "set the rules without checking them");
}

void Say(const std::string& change) { std::puts(change.c_str()); }

bool HasFailed(const Check& check) { return check.outcome == Check::Outcome::kFailed; }

void Print(const Check& check) {
  const bool bad = HasFailed(check);
  const char* word = bad                                         ? "FAILED "
                     : check.outcome == Check::Outcome::kSkipped ? "skipped"
                                                                 : "ok     ";
  std::fprintf(bad ? stderr : stdout, "%s %s%s%s\n", word, check.what.c_str(),
               check.detail.empty() ? "" : ": ", check.detail.c_str());
}

std::string ReadText(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Whether none has failed.
bool PrintAll(const std::vector<Check>& checks) {
  for (const Check& check : checks) Print(check);
  std::fflush(stdout);
  return std::none_of(checks.begin(), checks.end(), HasFailed);
}

// Exit code.
int CheckAll(const CommandLine& line, const std::vector<Tables>& all) {
  const Redirection& redirection = line.options.redirection;
  bool passed = true;
  for (const Tables& tables : all) passed &= PrintAll(Verify(redirection, tables));
  if (line.check && !redirection.vip_range.empty()) {
    Print(CheckNames(ReadText("/etc/resolv.conf"), ReadText("/etc/hosts"), redirection.vip_range));
    std::fflush(stdout);
  }
  if (passed) return 0;
  std::fprintf(stderr,
               "tulle-init: connections of this workload bypass the sidecar, without encryption "
               "and without policies. Do not start it until this is fixed.\n");
  return 1;
}

// Exit code.
int VerifyAll(const Options& options) {
  bool passed = PrintAll(VerifyCalls(options.redirection, Family::kV4));
  if (!options.without_ipv6 && HasIpv6())
    passed &= PrintAll(VerifyCalls(options.redirection, Family::kV6));
  if (passed) return 0;
  std::fprintf(
      stderr,
      "tulle-init: the CNI plugin tulle-cni did not redirect the connections of this pod. "
      "Check that the DaemonSet tulle-cni in namespace tulle-cni is ready on this node, "
      "then delete the pod: its network is set up only once. If the DaemonSet is ready, "
      "the container runtime does not use its --conf-dir, or does not pass the annotations "
      "of pods (containerd 1.6 and CRI-O do).\n");
  return 1;
}

int SetAll(const CommandLine& line, const std::vector<Tables>& all) {
  const absl::Status set = SetRedirection(line.options.redirection, all, Say);
  if (!set.ok()) return Complain(set), 1;
  return line.without_check ? 0 : CheckAll(line, all);
}

void PrintRules(const Options& options) {
  std::fputs(RulesFor(options.redirection, Family::kV4, "").c_str(), stdout);
  if (options.without_ipv6) return;
  std::printf("# IPv6\n%s", RulesFor(options.redirection, Family::kV6, "").c_str());
}

int Run(const CommandLine& line) {
  if (line.print) return PrintRules(line.options), 0;
  if (line.verify) return VerifyAll(line.options);
  if (line.remove) {
    const absl::Status status = RemoveRedirection(line.options.redirection, Say);
    if (status.ok()) std::puts("all rules of tulle-init are removed");
    if (!status.ok()) Complain(status);
    return status.ok() ? 0 : 1;
  }
  if (!line.check) {
    const absl::Status up = BringLoopbackUp();
    if (!up.ok()) return Complain(up), 1;
  }
  const auto tables = TablesFor(line.options);
  if (!tables.ok()) return Complain(tables.status()), 1;
  return line.check ? CheckAll(line, *tables) : SetAll(line, *tables);
}

}  // namespace

int Main(int argc, char** argv) {
  CommandLine line;
  CLI::App app("Redirects a workload's connections to its sidecar");
  usage::Describe(app, "tulle-init");
  app.footer(kExamples);
  AddModes(app, line);
  AddOptions(app, line.options);
  const auto check = [&line] { return CheckOptions(line.options); };
  if (const auto code = usage::Parse(app, argc, argv, kInvalidUsage, check)) return *code;
  return Run(line);
}

}  // namespace tulle::init

int main(int argc, char** argv) { return tulle::init::Main(argc, argv); }
