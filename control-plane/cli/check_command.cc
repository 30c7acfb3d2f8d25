#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "certs/certificate.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/table.h"
#include "control-plane/cli/trouble.h"
#include "control-plane/cli/wrap.h"
#include "telemetry/version.h"

namespace tulle::cli {
namespace {

struct Hint {
  const char* check;
  const char* text;
};

// By the names of the API's checks.
constexpr Hint kHints[] = {
    {"proxies connected", "is the sidecar running, and does it reach port $PORT of tulle-control?"},
    {"configuration accepted", "see the reason with `tullectl status PROXY`, then mend the policy"},
    {"workloads healthy", "a missed lease or a failing application: look at its sidecar's log"},
    {"leases", "many workloads went silent at once: look at the network"},
    {"root certificate", "make a new root:"},
    {"certificates of workloads",
     "in order: is the clock there right (date -u)? Does its sidecar reach port $PORT? Then a new "
     "join token, into the FILE that its sidecar's --token-file names: it joins by itself within a "
     "minute, applications stay as they are"},
    {"join tokens",
     "a new one, into the FILE that the sidecar's --token-file names: it joins by itself within a "
     "minute"},
    {"policies find their targets and take effect",
     "mend the name (`tullectl services -A` shows those there are); a Service that is still to "
     "come "
     "is no harm"},
    {"policies readable", "the store was written by another version: apply the policy again"},
};

// `port`: where the control plane serves sidecars.
std::string HintFor(const std::string& check, int64_t port) {
  for (const Hint& hint : kHints) {
    if (check == hint.check) return absl::StrReplaceAll(hint.text, {{"$PORT", absl::StrCat(port)}});
  }
  return "";
}

// The checks of one run, said as they come.
class Findings {
 public:
  explicit Findings(Session& session) : session_(session) {}

  void Add(const std::string& name, bool is_good, const std::string& message,
           const std::string& hint, const Json& commands = Json::array()) {
    all_good_ = all_good_ && is_good;
    items_.push_back({{"name", name}, {"ok", is_good}, {"message", message}});
    if (!commands.empty()) items_.back()["commands"] = commands;
    if (!is_good && !hint.empty()) items_.back()["hint"] = hint;
    if (session_.wants_json()) return;
    Say(Mark(is_good) + " ", 2, name + (message.empty() ? "" : ": " + message));
    if (!is_good && !hint.empty()) Say("    ", 4, hint);
    // Not broken: they are to be copied.
    for (const Json& command : commands) session_.out() << "    $ " << TextAt(command, "") << "\n";
  }

  int Finish() {
    if (session_.wants_json()) {
      PrintJson({{"ok", all_good_}, {"items", items_}}, session_.invocation.format, session_.out());
    }
    return all_good_ ? 0 : 1;
  }

 private:
  // As wide as the terminal is; `indent`: how many columns `begin` takes.
  void Say(const std::string& begin, size_t indent, const std::string& text) {
    const size_t width = session_.environment.width;
    std::string before = begin;
    for (const std::string& line : Wrapped(text, width > 2 * indent ? width - indent : 0)) {
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

// The credential file of whoever administers the mesh, as far as it is known.
std::string AdminFile(const Destination& destination) {
  const std::string& known = destination.credential_source;
  return known.ends_with("admin.json") ? known : "DATA-DIR/admin.json";
}

// When nothing proves itself any more: in this order, since each step needs the one before.
std::string RecoverySteps(const Destination& destination) {
  const std::string admin = AdminFile(destination);
  return absl::StrCat(
      "To recover, in this order:\n"
      "  1. $ date -u\n"
      "     here and where tulle-control runs: certificates are judged by the clock\n"
      "  2. $ systemctl restart tulle-control\n"
      "     or start it as you do: where its root has ended it makes a new one at its start, and "
      "writes admin.json of its data directory anew\n"
      "  3. $ tullectl --credential-file ",
      admin,
      " check\n"
      "     on another machine with a copy of that new file; it lists the workloads whose "
      "certificates have ended\n"
      "  4. $ tullectl --credential-file ",
      admin,
      " token create --service NAME -o raw > FILE\n"
      "     for each of them, into the FILE that its sidecar's --token-file names: it joins by "
      "itself within a minute, applications stay as they are\n"
      "  5. $ tullectl --credential-file ",
      admin, " check");
}

// Where the roots that we believe have ended, or not begun, nothing proves itself by them.
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
    return Trouble(
        absl::StrCat(ErrorOf(status), "\nthe roots in ", destination.ca_source, " begin at ",
                     FormatTime(begin), ", and it is ", FormatTime(now), " here"),
        "set the clock of this machine right (date -u)");
  }
  if (end > now) return status;
  return Trouble(absl::StrCat(ErrorOf(status), "\nthe roots in ", destination.ca_source,
                              " have ended at ", FormatTime(end), ", ", FormatAge(now - end),
                              " ago: nobody can prove to be tulle-control by them\n",
                              RecoverySteps(destination)));
}

absl::Status WithNewAdmin(const absl::Status& status, const Destination& destination) {
  return Trouble(absl::StrCat(
      ErrorOf(status),
      "\nTo recover, in this order:\n"
      "  1. take the admin.json that stands in tulle-control's data directory now: is it the one "
      "you use?\n"
      "  2. $ tulle-control --data-dir DATA-DIR --reset-admin\n"
      "     once, instead of its usual start (with its usual options beside): the admin gets a new "
      "credential, the former one ends\n"
      "  3. $ tullectl --credential-file ",
      AdminFile(destination), " check"));
}

}  // namespace

absl::StatusOr<int> Check(Session& session) {
  const auto destination = session.ResolvedDestination();
  if (!destination.ok()) return destination.status();
  const auto version = session.Get("/v1/version");
  if (!version.ok()) {
    if (!session.wants_json()) session.out() << "× tulle-control answers\n";
    return WithRecovery(version.status(), *destination, session.environment.now());
  }
  const auto port = session.GrpcPort();
  if (!port.ok()) return port.status();
  Findings findings(session);
  findings.Add("tulle-control answers", true, destination->server, "");
  findings.Add("its certificate", true, "proved by " + destination->ca_source, "");
  const std::string theirs = TextAt(*version, "/version");
  findings.Add("version", true,
               theirs == telemetry::kVersion
                   ? theirs
                   : theirs + " (this tullectl is " + telemetry::kVersion + ")",
               "");
  const auto checks = session.Get("/v1/check");
  if (!checks.ok()) {
    if (!session.wants_json()) session.out() << "× credential accepted\n";
    return session.last_status() == 401 ? WithNewAdmin(checks.status(), *destination)
                                        : checks.status();
  }
  findings.Add("credential accepted", true, destination->credential_source, "");
  for (const Json& check : PartAt(*checks, "/items")) {
    const std::string name = TextAt(check, "/name");
    findings.Add(name, TrueAt(check, "/ok"), TextAt(check, "/message"), HintFor(name, *port),
                 PartAt(check, "/commands"));
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
