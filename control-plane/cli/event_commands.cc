// `tullectl events`: what has happened in the mesh.

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/kinds.h"
#include "control-plane/cli/lifetime.h"
#include "control-plane/cli/user_error.h"
#include "control-plane/cli/watch.h"
#include "net/usage/wrap.h"

namespace tulle::cli {
namespace {

// The clocks of the replicas of the control plane may differ by so much, and a reply may be late.
constexpr int64_t kLookBackSeconds = 60;
// Of a name; other kinds are those of policies.
constexpr std::array<const char*, 6> kEventKinds = {"Proxy", "Identity",   "Host",
                                                    "Root",  "Credential", "Store"};

// What events must be about; empty parts are any.
struct Wanted {
  std::string kind;
  std::string name;
};

absl::StatusOr<std::string> KindOfEvents(const std::string& word) {
  for (const char* kind : kEventKinds) {
    if (absl::AsciiStrToLower(kind) == absl::AsciiStrToLower(word)) return std::string(kind);
  }
  auto policy = KindNamed(word);
  if (policy.ok()) return policy;
  return UserError("unknown kind \"" + word + "\"",
                   "use proxy, identity, host, root, credential, store, or a kind of policy: see "
                   "`tullectl explain`");
}

absl::StatusOr<Wanted> ReadWanted(const std::string& text) {
  if (text.empty()) return Wanted{};
  const size_t slash = text.find('/');
  const auto kind = KindOfEvents(text.substr(0, slash));
  if (!kind.ok()) return kind.status();
  return Wanted{*kind, slash == std::string::npos ? "" : text.substr(slash + 1)};
}

// The name of a proxy may be cut, as for `tullectl status`.
bool IsAbout(const Json& event, const Wanted& wanted, const std::string& ns) {
  const std::string kind = TextAt(event, "/object/kind");
  const std::string name = TextAt(event, "/object/name");
  if (!ns.empty() && TextAt(event, "/object/namespace") != ns) return false;
  if (!wanted.kind.empty() && kind != wanted.kind) return false;
  return wanted.name.empty() || name == wanted.name ||
         (kind == "Proxy" && name.starts_with(wanted.name));
}

std::string ObjectOf(const Json& event) {
  const std::string name = TextAt(event, "/object/name");
  return absl::AsciiStrToLower(TextAt(event, "/object/kind")) + (name.empty() ? "" : "/" + name);
}

// Rows that may go on: a column grows with its longest cell, and the message is the last.
class EventRows {
 public:
  explicit EventRows(Session& session)
      : session_(session), is_wide_(session.invocation.format == Format::kWide) {}

  // Reads all, so that columns fit, and then prints.
  void Print(const std::vector<Json>& events) {
    std::vector<Row> rows;
    if (!has_header_ && !events.empty()) rows.push_back(Headers());
    has_header_ |= !events.empty();
    for (const Json& event : events) rows.push_back(RowOf(event));
    for (const Row& row : rows) {
      for (size_t i = 0; i + 1 < row.size(); ++i)
        widths_[i] = std::max(widths_[i], usage::WidthOf(row[i]));
    }
    for (const Row& row : rows) PrintRow(row);
  }

 private:
  using Row = std::vector<std::string>;

  Row Headers() const {
    if (is_wide_) {
      return {"LAST SEEN", "FIRST SEEN", "COUNT", "NAMESPACE", "TYPE",
              "REASON",    "OBJECT",     "ACTOR", "MESSAGE"};
    }
    return {"LAST SEEN", "COUNT", "NAMESPACE", "TYPE", "REASON", "OBJECT", "MESSAGE"};
  }
  Row RowOf(const Json& event) const {
    const auto age = [&](const char* at) {
      return FormatAge(session_.environment.now() - NumberAt(event, at));
    };
    const std::string ns = TextAt(event, "/object/namespace");
    const std::string actor = TextAt(event, "/actor");
    Row row = {age("/lastAt")};
    if (is_wide_) row.push_back(age("/firstAt"));
    for (const std::string& cell :
         {TextAt(event, "/count"), ns.empty() ? "-" : ns, TextAt(event, "/type"),
          TextAt(event, "/reason"), ObjectOf(event)})
      row.push_back(cell);
    if (is_wide_) row.push_back(actor.empty() ? "-" : actor);
    row.push_back(TextAt(event, "/message"));
    return row;
  }
  void PrintRow(const Row& row) {
    std::string line;
    for (size_t i = 0; i + 1 < row.size(); ++i)
      line += row[i] + std::string(widths_[i] - usage::WidthOf(row[i]) + 3, ' ');
    session_.out() << line << row.back() << "\n";
  }

  Session& session_;
  const bool is_wide_;
  std::array<size_t, 9> widths_ = {};
  bool has_header_ = false;
};

// Passes on each event once, and again when it has happened again.
class NewEvents {
 public:
  std::vector<Json> Of(const Json& reply, const Wanted& wanted, const std::string& ns) {
    std::vector<Json> fresh;
    for (const Json& event : PartAt(reply, "/items")) {
      const int64_t at = NumberAt(event, "/lastAt");
      newest_ = std::max(newest_, at);
      const bool is_new = seen_.emplace(event.dump(), at).second;
      if (is_new && IsAbout(event, wanted, ns)) fresh.push_back(event);
    }
    std::erase_if(seen_, [&](const auto& each) { return each.second < LookFrom(); });
    return fresh;
  }
  // Where to look next time.
  int64_t LookFrom() const { return newest_ - kLookBackSeconds; }

 private:
  std::map<std::string, int64_t> seen_;  // with the time, which replies that come may still have
  int64_t newest_ = 0;
};

void PrintLines(Session& session, const std::vector<Json>& events) {
  for (const Json& event : events) {
    if (session.invocation.format == Format::kYaml) {
      session.out() << "---\n";
      PrintJson(event, Format::kYaml, session.out());
    } else {
      PrintJsonLine(event, session.out());
    }
  }
}

absl::Status WatchEvents(Session& session, const Wanted& wanted, int64_t since) {
  EventRows rows(session);
  NewEvents fresh;
  Watch watch(session);
  while (true) {
    const auto reply = session.Get("/v1/events", {{"since", std::to_string(since)}});
    if (reply.ok()) {
      const std::vector<Json> events = fresh.Of(*reply, wanted, session.invocation.ns);
      session.wants_json() ? PrintLines(session, events) : rows.Print(events);
      session.out().flush();
      since = std::max(since, fresh.LookFrom());
    }
    const auto goes_on = watch.Next(reply.status());
    if (!goes_on.ok()) return goes_on.status();
    if (!*goes_on) return absl::OkStatus();
  }
}

void ShowEvents(Session& session, const Json& reply, const Wanted& wanted) {
  const std::vector<Json> events = NewEvents().Of(reply, wanted, session.invocation.ns);
  if (session.wants_json())
    return PrintJson({{"items", events}}, session.invocation.format, session.out());
  if (events.empty()) {
    session.err() << "No events. tulle-control keeps the last 1,000 in memory, until it is "
                     "restarted.\n";
  }
  EventRows(session).Print(events);
}

}  // namespace

absl::StatusOr<int> Events(Session& session) {
  const auto wanted = ReadWanted(session.invocation.object);
  if (!wanted.ok()) return wanted.status();
  int64_t since = 0;
  if (const std::string& window = session.invocation.window; !window.empty()) {
    const auto seconds = ParseLifetime(window);
    if (!seconds.ok()) return seconds.status();
    since = std::max<int64_t>(session.environment.now() - *seconds, 0);
  }
  if (session.invocation.watch) {
    const absl::Status watched = WatchEvents(session, *wanted, since);
    if (!watched.ok()) return watched;
    return 0;
  }
  const auto reply = session.Get("/v1/events", {{"since", std::to_string(since)}});
  if (!reply.ok()) return reply.status();
  ShowEvents(session, *reply, *wanted);
  return 0;
}

}  // namespace tulle::cli
