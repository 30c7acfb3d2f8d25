// `tullectl tap`: requests as they end.

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/interruption.h"
#include "control-plane/cli/lifetime.h"
#include "control-plane/cli/user_error.h"
#include "control-plane/diagnosis/hops.h"
#include "control-plane/diagnosis/request_text.h"
#include "net/usage/wrap.h"

namespace tulle::cli {
namespace {

using diagnosis::HopOutcome;
using diagnosis::MicrosText;
using diagnosis::MicrosTime;
using diagnosis::ShortService;
using diagnosis::ShortWorkload;

constexpr int64_t kNoEnd = INT64_MAX;

// Rows that come one by one: a column grows with its longest cell.
class Stream {
 public:
  explicit Stream(Session& session) : session_(session) {}

  void Print(const Json& record) {
    if (!has_header_)
      PrintRow({"TIME", "SEEN BY", "CALLER", "SERVICE", "METHOD", "PATH", "OUTCOME", "TOOK",
                "REQUEST ID"});
    has_header_ = true;
    const std::string time = MicrosTime(NumberAt(record, "/startedMicros"));
    PrintRow({time.substr(time.find('T') + 1), TrueAt(record, "/outbound") ? "caller" : "service",
              Shown(ShortWorkload(TextAt(record, "/source"))),
              Shown(ShortService(ServiceOf(record))), Shown(TextAt(record, "/method")),
              Shown(TextAt(record, "/path")), HopOutcome(record),
              MicrosText(NumberAt(record, "/ended")), Shown(TextAt(record, "/requestId"))});
  }

 private:
  static constexpr size_t kColumns = 9;
  using Row = std::array<std::string, kColumns>;

  static std::string Shown(const std::string& text) { return text.empty() ? "-" : text; }
  static std::string ServiceOf(const Json& record) {
    const std::string service = TextAt(record, "/service");
    return service.empty() ? TextAt(record, "/authority") : service;
  }
  void PrintRow(const Row& row) {
    std::string line;
    for (size_t i = 0; i < kColumns; ++i) {
      widths_[i] = std::max(widths_[i], usage::WidthOf(row[i]));
      line += row[i];
      if (i + 1 < kColumns) line += std::string(widths_[i] - usage::WidthOf(row[i]) + 2, ' ');
    }
    session_.out() << line << "\n";
  }

  Session& session_;
  std::array<size_t, kColumns> widths_ = {13, 7, 17, 17, 6, 16, 16, 6, 10};
  bool has_header_ = false;
};

// An account without its namespace is of the one that is asked for.
std::string TappedCaller(Session& session) {
  const std::string& from = session.invocation.tap.from;
  const bool is_account =
      !from.empty() && from.find('.') == std::string::npos && from.find('/') == std::string::npos;
  return is_account ? from + "." + session.Namespace() : from;
}

Json FilterOf(Session& session) {
  const Invocation& wanted = session.invocation;
  Json filter = Json::object();
  const auto add = [&](const char* name, const std::string& text) {
    if (!text.empty()) filter[name] = text;
  };
  const bool is_short = wanted.name.find('.') == std::string::npos;
  add("service", wanted.name.empty() || wanted.ns.empty() || !is_short
                     ? wanted.name
                     : wanted.name + "." + wanted.ns);
  if (wanted.name.empty()) add("namespace", wanted.ns);
  add("method", wanted.tap.method);
  add("path", wanted.tap.path);
  add("source", TappedCaller(session));
  add("status", wanted.tap.status);
  add("id", wanted.tap.id);
  if (wanted.tap.failed) filter["failed"] = true;
  if (wanted.tap.at_least_millis > 0) filter["minMs"] = wanted.tap.at_least_millis;
  return filter;
}

void PrintRecord(Session& session, const Json& record, Stream* stream) {
  if (!session.wants_json()) return stream->Print(record);
  if (session.invocation.format == Format::kYaml) session.out() << "---\n";
  if (session.invocation.format == Format::kYaml)
    return PrintJson(record, Format::kYaml, session.out());
  PrintJsonLine(record, session.out());
}

void SayProblems(Session& session, const Json& news, bool is_first) {
  if (const int64_t left_out = NumberAt(news, "/leftOut"); left_out > 0) {
    session.err() << "warning: " << left_out
                  << " requests were too many to be shown: narrow the filter\n";
  }
  for (const Json& error : PartAt(news, "/errors"))
    session.err() << "warning: a sidecar refuses: " << TextAt(error, "") << "\n";
  if (is_first && NumberAt(news, "/sidecars") == 0) {
    session.err() << "warning: no sidecar that can be tapped is connected: see `tullectl status`\n";
  }
}

// Until enough requests or seconds have passed, the user ends it, or nobody reads the output.
absl::Status Watch(Session& session, const std::string& path, int64_t end,
                   const Interruption& interruption) {
  const Invocation& wanted = session.invocation;
  Stream stream(session);
  int64_t shown = 0;
  for (bool is_first = true;; is_first = false) {
    const auto news = session.Get(path);
    if (interruption.signal() != 0) return absl::OkStatus();
    if (!news.ok()) return news.status();
    for (const Json& record : PartAt(*news, "/requests")) {
      PrintRecord(session, record, &stream);
      if (++shown == wanted.tap.requests) return absl::OkStatus();
    }
    if (!session.out().flush()) return absl::OkStatus();
    SayProblems(session, *news, is_first);
    if (session.environment.now() >= end) return absl::OkStatus();
  }
}

}  // namespace

absl::StatusOr<int> Tap(Session& session) {
  int64_t end = kNoEnd;
  if (const std::string& duration = session.invocation.tap.duration; !duration.empty()) {
    const auto seconds = ParseLifetime(duration);
    if (!seconds.ok()) return seconds.status();
    end = session.environment.now() + *seconds;
  }
  const Interruption interruption;
  const auto opened = session.Post("/v1/taps", FilterOf(session));
  if (!opened.ok()) return opened.status();
  const std::string path = "/v1/taps/" + TextAt(*opened, "/id");
  if (!session.wants_json() && session.environment.width != 0)
    session.err() << "Watching requests as they end. Ctrl-C ends it.\n";
  const absl::Status watched = Watch(session, path, end, interruption);
  session.out().flush();
  // If it cannot be ended, it ends by itself.
  (void)session.Delete(path);
  if (!watched.ok()) return watched;
  constexpr int kSignalled = 128;
  return interruption.signal() == 0 ? 0 : kSignalled + interruption.signal();
}

}  // namespace tulle::cli
