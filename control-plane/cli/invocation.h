// One command line, understood: which command, with what. A value, made by ParseCommandLine.
#ifndef TULLE_CONTROL_PLANE_CLI_INVOCATION_H_
#define TULLE_CONTROL_PLANE_CLI_INVOCATION_H_

#include <string>
#include <vector>

#include "control-plane/cli/destination.h"

namespace tulle::cli {

enum class Command {
  kApply,
  kGet,
  kDelete,
  kDiff,
  kValidate,
  kStatus,
  kProxyConfig,
  kServices,
  kTokenCreate,
  kCertIssue,
  kCertRotate,
  kCertRoots,
  kCheck,
  kVersion,
  kConfigGet,
  kConfigCurrent,
  kConfigUse,
  kConfigSet,
  kConfigDelete,
  kConfigView,
  kCompletion,
};

enum class Format { kTable, kWide, kName, kJson, kYaml, kRaw };

struct Invocation {
  Command command = Command::kVersion;
  ConnectionFlags connection;
  Format format = Format::kTable;
  std::vector<std::string> files;  // "-": standard input
  bool recursive = false;
  bool dry_run = false;
  bool ignore_not_found = false;
  std::string kind;                // of policies, as typed: several with commas, or KIND/NAME
  std::vector<std::string> names;  // of policies, or more KIND/NAME
  std::string name;                // of a proxy, service or context
  std::string part;                // of a proxy's configuration
  std::string ns;                  // empty: the context's
  bool all_namespaces = false;
  std::vector<std::string> services;
  std::string account;
  std::string ttl;
  std::string directory;
  bool force = false;
  bool watch = false;
  bool client_only = false;
  std::string shell;
};

}  // namespace tulle::cli

#endif  // TULLE_CONTROL_PLANE_CLI_INVOCATION_H_
