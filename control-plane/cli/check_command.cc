#include <algorithm>

#include "absl/strings/str_cat.h"
#include "certs/certificate.h"
#include "control-plane/cli/cluster_checks.h"
#include "control-plane/cli/cluster_install.h"
#include "control-plane/cli/cluster_login.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/table.h"
#include "control-plane/cli/user_error.h"
#include "k8s/install/manifests.h"
#include "net/usage/wrap.h"
#include "telemetry/version.h"

namespace tulle::cli {
namespace {

// The checks of one run, printed as they come.
class Findings {
 public:
  explicit Findings(Session& session) : session_(session) {}

  // Of tullectl itself: without them there would be no others.
  void AddPassed(const char* id, const std::string& name, const std::string& message) {
    Add(id, name, true, message, "", Json::array());
  }

  // `id`: what scripts tell checks apart by.
  void Add(const std::string& id, const std::string& name, bool is_good, const std::string& message,
           const std::string& hint, const Json& commands) {
    all_good_ = all_good_ && is_good;
    items_.push_back({{"id", id}, {"name", name}, {"ok", is_good}, {"message", message}});
    if (!commands.empty()) items_.back()["commands"] = commands;
    if (!is_good && !hint.empty()) items_.back()["hint"] = hint;
    if (session_.wants_json()) return;
    Say(Mark(is_good) + " ", 2, name + (message.empty() ? "" : ": " + message));
    if (!is_good && !hint.empty()) Say("    ", 4, hint);
    // Not wrapped, so that they can be copied.
    for (const Json& command : commands) session_.out() << "    $ " << TextAt(command, "") << "\n";
  }

  int Finish() {
    if (session_.wants_json()) {
      PrintJson({{"ok", all_good_}, {"items", items_}}, session_.invocation.format, session_.out());
    }
    return all_good_ ? 0 : 1;
  }

 private:
  // Wrapped to the terminal. `indent`: the columns that `begin` takes.
  void Say(const std::string& begin, size_t indent, const std::string& text) {
    const size_t width = session_.environment.width;
    std::string before = begin;
    for (const std::string& line : usage::Wrapped(text, width > 2 * indent ? width - indent : 0)) {
      session_.out() << before << line << "\n";
      before = std::string(indent, ' ');
    }
  }

  std::string Mark(bool is_good) const {
    if (!session_.environment.has_colour) return is_good ? "✓" : "×";
    return is_good ? "\033[32m✓\033[0m" : "\033[31m×\033[0m";
  }

  Session& session_;
  Json items_ = Json::array();
  bool all_good_ = true;
};

// The credential file of the admin, if it is known.
std::string AdminFile(const Destination& destination) {
  const std::string& known = destination.credential_source;
  return known.ends_with("admin.json") ? known : "DATA-DIR/admin.json";
}

// For expired roots. Each step needs the one before.
std::string RecoverySteps(const Destination& destination) {
  const std::string admin = AdminFile(destination);
  return absl::StrCat(
      "To recover, in this order:\n"
      "  1. $ date -u\n"
      "     here and where tulle-control runs: certificates depend on the clock\n"
      "  2. $ systemctl restart tulle-control\n"
      "     or however you start it: if its root has expired it creates a new one, and writes a "
      "new "
      "admin.json to its data directory\n"
      "  3. $ tullectl --credential-file ",
      admin,
      " check\n"
      "     on another machine, with a copy of the new file; it lists the workloads whose "
      "certificates have expired\n"
      "  4. $ tullectl --credential-file ",
      admin,
      " token create --service NAME -o raw > FILE\n"
      "     for each of them, to the FILE of its sidecar's --token-file: it joins within a minute, "
      "and the application need not be restarted\n"
      "  5. $ tullectl --credential-file ",
      admin, " check");
}

// Adds what to do if the roots that we trust have expired or are not valid yet.
absl::Status WithRecovery(const absl::Status& status, const Destination& destination, int64_t now) {
  const auto roots = certs::ParsePemCertificates(destination.ca_pem);
  if (!roots.ok() || roots->empty()) return status;
  int64_t begin = roots->front().not_before();
  int64_t end = 0;
  for (const certs::Certificate& root : *roots) {
    begin = std::min(begin, root.not_before());
    end = std::max(end, root.not_after());
  }
  if (begin > now) {
    return UserError(absl::StrCat(ErrorOf(status), "\nthe roots in ", destination.ca_source,
                                  " are not valid before ", FormatTime(begin),
                                  ", and the time here is ", FormatTime(now)),
                     "set the clock of this machine (date -u)");
  }
  if (end > now) return status;
  return UserError(absl::StrCat(ErrorOf(status), "\nthe roots in ", destination.ca_source,
                                " expired at ", FormatTime(end), ", ", FormatAge(now - end),
                                " ago, so the server certificate cannot be verified\n",
                                RecoverySteps(destination)));
}

absl::Status WithNewAdmin(const absl::Status& status, const Destination& destination) {
  return UserError(absl::StrCat(
      ErrorOf(status),
      "\nTo recover, in this order:\n"
      "  1. compare your credential file with admin.json in tulle-control's data directory\n"
      "  2. $ tulle-control --data-dir DATA-DIR --reset-admin\n"
      "     once instead of its usual start, with its usual options: the admin gets a new "
      "credential that replaces the previous one\n"
      "  3. $ tullectl --credential-file ",
      AdminFile(destination), " check"));
}

// What its API server says.
absl::Status CheckCluster(Session& session, const Destination& destination, Findings* findings) {
  if (!destination.login) {
    return UserError("--pre checks a cluster, and a control plane is configured directly",
                     "name the cluster with --kubeconfig FILE");
  }
  const auto api = session.Cluster();
  if (!api.ok()) return api.status();
  InstalledObjects cluster(**api, Describe(*destination.login));
  const auto checks = session.invocation.before_install
                          ? ChecksBefore(cluster, InstallationOf(session), session.invocation.cni)
                          : ChecksAfter(cluster, install::Definitions());
  if (!checks.ok()) return checks.status();
  for (const ClusterCheck& check : *checks)
    findings->Add(check.id, check.name, check.is_good, check.message, check.hint, Json::array());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<int> Check(Session& session) {
  const auto destination = session.ResolvedDestination();
  if (!destination.ok()) return destination.status();
  Findings findings(session);
  if (destination->login || session.invocation.before_install) {
    const absl::Status checked = CheckCluster(session, *destination, &findings);
    if (!checked.ok()) return checked;
    if (session.invocation.before_install) return findings.Finish();
  }
  const auto version = session.Get("/v1/version");
  if (!version.ok()) {
    if (!session.wants_json()) session.out() << "× tulle-control reachable\n";
    return WithRecovery(version.status(), *destination, session.environment.now());
  }
  findings.AddPassed("reachable", "tulle-control reachable", destination->server);
  const bool has_token = destination->login.has_value();
  if (!has_token) {
    findings.AddPassed("server-certificate", "server certificate",
                       "signed by the CA in " + destination->ca_source);
  }
  const std::string theirs = TextAt(*version, "/version");
  findings.AddPassed("version", "version",
                     theirs == telemetry::kVersion
                         ? theirs
                         : theirs + " (this tullectl is " + telemetry::kVersion + ")");
  const auto checks = session.Get("/v1/check");
  if (!checks.ok()) {
    if (!session.wants_json()) session.out() << "× credential accepted\n";
    return session.last_status() == 401 && !has_token ? WithNewAdmin(checks.status(), *destination)
                                                      : checks.status();
  }
  findings.AddPassed("credential", "credential accepted",
                     has_token ? "a token of the service account tulle-system/tulle-viewer"
                               : destination->credential_source);
  for (const Json& check : PartAt(*checks, "/items")) {
    const std::string name = TextAt(check, "/name");
    findings.Add(TextAt(check, "/id"), name, TrueAt(check, "/ok"), LinesAt(check, "/message"),
                 TextAt(check, "/hint"), PartAt(check, "/commands"));
  }
  return findings.Finish();
}

absl::StatusOr<int> Version(Session& session) {
  Json json = {{"client", telemetry::kVersion}};
  absl::Status unreached;
  if (!session.invocation.client_only) {
    const auto reply = session.Get("/v1/version");
    if (reply.ok()) {
      json["server"] = TextAt(*reply, "/version");
    } else {
      unreached = reply.status();
    }
  }
  if (session.wants_json()) {
    PrintJson(json, session.invocation.format, session.out());
  } else {
    session.out() << "tullectl " << telemetry::kVersion << "\n";
    if (json.contains("server")) {
      session.out() << "tulle-control " << TextAt(json, "/server") << "\n";
    }
  }
  if (!unreached.ok()) return unreached;
  return 0;
}

}  // namespace tulle::cli
