#include "control-plane/cli/commands.h"
#include "control-plane/cli/trouble.h"
#include "telemetry/version.h"

namespace tulle::cli {
namespace {

struct Hint {
  const char* check;
  const char* text;
};

// By the names of the API's checks.
constexpr Hint kHints[] = {
    {"proxies connected", "is the sidecar running, and does it reach port 15012 of tulle-control?"},
    {"configuration accepted", "see the reason with `tullectl status PROXY`, then mend the policy"},
    {"workloads healthy", "a missed lease or a failing application: look at its sidecar's log"},
    {"leases", "many workloads went silent at once: look at the network"},
    {"root certificate", "make a new root with `tullectl cert rotate --watch`"},
    {"policies readable", "the store was written by another version: apply the policy again"},
};

std::string HintFor(const std::string& check) {
  for (const Hint& hint : kHints) {
    if (check == hint.check) return hint.text;
  }
  return "";
}

// The checks of one run, said as they come.
class Findings {
 public:
  explicit Findings(Session& session) : session_(session) {}

  void Add(const std::string& name, bool is_good, const std::string& message,
           const std::string& hint) {
    all_good_ = all_good_ && is_good;
    items_.push_back({{"name", name}, {"ok", is_good}, {"message", message}});
    if (!is_good && !hint.empty()) items_.back()["hint"] = hint;
    if (session_.wants_json()) return;
    session_.out() << Mark(is_good) << " " << name << (message.empty() ? "" : ": " + message)
                   << "\n";
    if (!is_good && !hint.empty()) session_.out() << "    " << hint << "\n";
  }

  int Finish() {
    if (session_.wants_json()) {
      PrintJson({{"ok", all_good_}, {"items", items_}}, session_.invocation.format, session_.out());
    }
    return all_good_ ? 0 : 1;
  }

 private:
  std::string Mark(bool is_good) const {
    if (!session_.environment.has_colour) return is_good ? "✓" : "×";
    return is_good ? "\033[32m✓\033[0m" : "\033[31m×\033[0m";
  }

  Session& session_;
  Json items_ = Json::array();
  bool all_good_ = true;
};

}  // namespace

absl::StatusOr<int> Check(Session& session) {
  const auto destination = session.ResolvedDestination();
  if (!destination.ok()) return destination.status();
  const auto version = session.Get("/v1/version");
  if (!version.ok()) {
    if (!session.wants_json()) session.out() << "× tulle-control answers\n";
    return version.status();
  }
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
    return checks.status();
  }
  findings.Add("credential accepted", true, destination->credential_source, "");
  for (const Json& check : PartAt(*checks, "/items")) {
    const std::string name = TextAt(check, "/name");
    findings.Add(name, TrueAt(check, "/ok"), TextAt(check, "/message"), HintFor(name));
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
