#include "control-plane/cli/tullectl.h"

#include <algorithm>
#include <chrono>
#include <iterator>

#include "control-plane/cli/command_line.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/completion.h"
#include "control-plane/cli/user_error.h"

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

constexpr auto kRefresh = std::chrono::seconds(2);
// Moves the cursor of a terminal to the first line, and erases what is below it.
constexpr char kHome[] = "\x1b[H\x1b[J";

absl::StatusOr<int> RunOnce(Session& session) {
  const auto row = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& each) {
    return each.command == session.invocation.command;
  });
  return row->handler(session);
}

// Once, or again every 2 s: on a terminal in the same place, else one after the other. A watch ends
// with an error only if it begins with one.
absl::StatusOr<int> Run(Session& session) {
  const Invocation& wanted = session.invocation;
  // It goes on by itself: what is shown stays.
  if (wanted.command == Command::kEvents) return RunOnce(session);
  for (int64_t shown = 1;; ++shown) {
    const bool again = wanted.watch && shown > 1;
    if (wanted.watch && session.environment.width != 0) {
      session.out() << kHome;
    } else if (again && !session.wants_json()) {
      session.out() << "\n";
    }
    const auto code = RunOnce(session);
    session.out().flush();
    if (!wanted.watch || shown == wanted.refreshes || (!again && !code.ok())) return code;
    // What has worked may work again: a control plane that restarts does not end a watch.
    if (!code.ok()) {
      PrintError(code.status(), session.environment.has_colour, session.err());
      session.err() << "Trying again every 2 s until Ctrl-C.\n";
    }
    session.environment.pause(kRefresh);
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
