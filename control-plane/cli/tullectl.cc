#include "control-plane/cli/tullectl.h"

#include <algorithm>
#include <iterator>

#include "control-plane/cli/command_line.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/completion.h"
#include "control-plane/cli/user_error.h"
#include "control-plane/cli/watch.h"

namespace tulle::cli {
namespace {

absl::StatusOr<int> PrintCompletion(Session& session) {
  session.out() << CompletionScript(session.invocation.shell, VocabularyOfCommands());
  return 0;
}

using Handler = absl::StatusOr<int> (*)(Session&);

struct Row {
  Command command;
  Handler handler;
};

constexpr Row kRows[] = {
    {Command::kApply, Apply},
    {Command::kGet, Get},
    {Command::kDescribe, Describe},
    {Command::kDelete, Delete},
    {Command::kDiff, Diff},
    {Command::kValidate, Validate},
    {Command::kStatus, Status},
    {Command::kProxyConfig, ProxyConfig},
    {Command::kServices, Services},
    {Command::kTokenCreate, CreateToken},
    {Command::kCertIssue, IssueCertificate},
    {Command::kCertRotate, RotateRoot},
    {Command::kCertRoots, ShowRoots},
    {Command::kCheck, Check},
    {Command::kVersion, Version},
    {Command::kConfigGet, GetServers},
    {Command::kConfigCurrent, CurrentServer},
    {Command::kConfigUse, UseServer},
    {Command::kConfigUnset, UnsetCurrentServer},
    {Command::kConfigSet, SetServer},
    {Command::kConfigDelete, DeleteServer},
    {Command::kConfigView, ViewConfig},
    {Command::kCompletion, PrintCompletion},
    {Command::kHistory, History},
    {Command::kRollback, RollBack},
    {Command::kBackup, Backup},
    {Command::kRestore, Restore},
    {Command::kHosts, Hosts},
    {Command::kRun, RunProgram},
    {Command::kTokenList, ListTokens},
    {Command::kTokenRevoke, RevokeToken},
    {Command::kEvict, EvictWorkloads},
    {Command::kRegister, RegisterWorkload},
    {Command::kDeregister, DeregisterWorkload},
    {Command::kEnvoyBootstrap, WriteEnvoyBootstrap},
    {Command::kCredentialCreate, CreateCredential},
    {Command::kCredentialList, ListCredentials},
    {Command::kCredentialDelete, DeleteCredential},
    {Command::kExplain, Explain},
    {Command::kStat, Stat},
    {Command::kEdges, Edges},
    {Command::kTop, Top},
    {Command::kExplainRequest, ExplainRequest},
    {Command::kTap, Tap},
    {Command::kExplainWhatIf, ExplainWhatIf},
    {Command::kAuthzCheck, CheckAuthorization},
    {Command::kErrors, Errors},
    {Command::kTrace, ShowTrace},
    {Command::kDashboard, ShowDashboard},
    {Command::kLogs, Logs},
    {Command::kEvents, Events},
    {Command::kBugReport, WriteBugReport},
    {Command::kInject, Inject},
    {Command::kInstall, PrintInstallation},
    {Command::kUninstall, PrintRemoval},
};
static_assert(std::size(kRows) == static_cast<size_t>(Command::kBugReport) + 1,
              "each command has a handler");

absl::StatusOr<int> RunOnce(Session& session) {
  const auto row = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& each) {
    return each.command == session.invocation.command;
  });
  return row->handler(session);
}

// Once, or again every 2 s: on a terminal in the same place, else one after the other. A watch ends
// with an error only if it begins with one.
absl::StatusOr<int> Run(Session& session) {
  // Commands that go on by themselves: what is shown stays.
  const Command command = session.invocation.command;
  if (!session.invocation.watch || command == Command::kEvents || command == Command::kTop)
    return RunOnce(session);
  Watch watch(session);
  for (bool is_first = true;; is_first = false) {
    absl::StatusOr<int> code;
    {
      Screen screen(session);
      code = RunOnce(session);
      if (code.ok() || is_first) screen.Show(is_first);
    }
    const auto goes_on = watch.Next(code.status());
    if (!goes_on.ok()) return goes_on.status();
    if (!*goes_on) return code;
  }
}

}  // namespace

int RunTullectl(const std::vector<std::string>& arguments, Environment& environment) {
  const auto parsed = ParseCommandLine(arguments);
  if (const auto* help = std::get_if<HelpText>(&parsed)) {
    environment.out << help->text;
    return 0;
  }
  if (const auto* wrong = std::get_if<absl::Status>(&parsed)) {
    PrintError(*wrong, environment.has_colour, environment.err);
    return 1;
  }
  const Invocation& invocation = std::get<Invocation>(parsed);
  Session session(invocation, environment);
  const auto code = Run(session);
  if (code.ok()) return *code;
  PrintError(code.status(), environment.has_colour, environment.err);
  return invocation.command == Command::kDiff ? 2 : 1;
}

}  // namespace tulle::cli
