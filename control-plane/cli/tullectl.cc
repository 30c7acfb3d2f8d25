#include "control-plane/cli/tullectl.h"

#include "control-plane/cli/command_line.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/completion.h"
#include "control-plane/cli/trouble.h"

namespace tulle::cli {
namespace {

absl::StatusOr<int> PrintCompletion(Session& session) {
  session.out() << CompletionScript(session.invocation.shell, WordsOfCommands());
  return 0;
}

absl::StatusOr<int> Run(Session& session) {
  switch (session.invocation.command) {
    case Command::kApply:
      return Apply(session);
    case Command::kGet:
      return Get(session);
    case Command::kDelete:
      return Delete(session);
    case Command::kDiff:
      return Diff(session);
    case Command::kValidate:
      return Validate(session);
    case Command::kStatus:
      return Status(session);
    case Command::kProxyConfig:
      return ProxyConfig(session);
    case Command::kServices:
      return Services(session);
    case Command::kTokenCreate:
      return CreateToken(session);
    case Command::kCertIssue:
      return IssueCertificate(session);
    case Command::kCertRotate:
      return RotateRoot(session);
    case Command::kCertRoots:
      return ShowRoots(session);
    case Command::kCheck:
      return Check(session);
    case Command::kVersion:
      return Version(session);
    case Command::kConfigGet:
      return GetServers(session);
    case Command::kConfigCurrent:
      return CurrentServer(session);
    case Command::kConfigUse:
      return UseServer(session);
    case Command::kConfigSet:
      return SetServer(session);
    case Command::kConfigDelete:
      return DeleteServer(session);
    case Command::kConfigView:
      return ViewConfig(session);
    case Command::kCompletion:
      return PrintCompletion(session);
    case Command::kHistory:
      return History(session);
    case Command::kRollback:
      return RollBack(session);
    case Command::kBackup:
      return Backup(session);
    case Command::kRestore:
      return Restore(session);
    case Command::kHosts:
      return Hosts(session);
    case Command::kRun:
      return RunProgram(session);
  }
  return 1;
}

}  // namespace

int RunTullectl(const std::vector<std::string>& arguments, Environment& environment) {
  const auto parsed = ParseCommandLine(arguments);
  if (const auto* help = std::get_if<HelpText>(&parsed)) {
    environment.out << help->text;
    return 0;
  }
  if (const auto* wrong = std::get_if<absl::Status>(&parsed)) {
    PrintTrouble(*wrong, environment.has_colour, environment.err);
    return 1;
  }
  const Invocation& invocation = std::get<Invocation>(parsed);
  Session session(invocation, environment);
  const auto code = Run(session);
  environment.out.flush();
  if (code.ok()) return *code;
  PrintTrouble(code.status(), environment.has_colour, environment.err);
  return invocation.command == Command::kDiff ? 2 : 1;
}

}  // namespace tulle::cli
