// `tullectl tap`: requests as they end.

#include <algorithm>
#include <array>

#include "control-plane/cli/commands.h"
#include "control-plane/cli/interruption.h"
#include "control-plane/cli/lifetime.h"
#include "control-plane/cli/live_requests.h"
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
    PrintHeaders("request", PartAt(record, "/requestHeaders"));
    PrintHeaders("response", PartAt(record, "/responseHeaders"));
    if (const int64_t more = NumberAt(record, "/headersLeftOut"); more > 0)
      session_.out() << "    and " << more << " more headers\n";
  }

 private:
  static constexpr size_t kColumns = 9;
  using Row = std::array<std::string, kColumns>;

  static std::string Shown(const std::string& text) { return text.empty() ? "-" : text; }
  static std::string ServiceOf(const Json& record) {
    const std::string service = TextAt(record, "/service");
    return service.empty() ? TextAt(record, "/authority") : service;
  }
  void PrintHeaders(const char* of, const Json& headers) {
    for (const Json& header : headers) {
      session_.out() << "    " << of << " " << TextAt(header, "/name") << ": "
                     << TextAt(header, "/value")
                     << (TrueAt(header, "/redacted") ? "[redacted]" : "") << "\n";
    }
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

void PrintRecord(Session& session, const Json& record, Stream* stream) {
  if (!session.wants_json()) return stream->Print(record);
  if (session.invocation.format == Format::kYaml) session.out() << "---\n";
  if (session.invocation.format == Format::kYaml)
    return PrintJson(record, Format::kYaml, session.out());
  PrintJsonLine(record, session.out());
}

// Until enough requests or seconds have passed, the user ends it, or nobody reads the output.
absl::Status Follow(Session& session, LiveRequests& live, int64_t end,
                    const Interruption& interruption) {
  const Invocation& wanted = session.invocation;
  Stream stream(session);
  int64_t shown = 0;
  while (true) {
    const auto news = live.Read();
    if (interruption.signal() != 0) return absl::OkStatus();
    if (!news.ok()) return news.status();
    for (const Json& record : PartAt(*news, "/requests")) {
      PrintRecord(session, record, &stream);
      if (++shown == wanted.tap.requests) return absl::OkStatus();
    }
    if (!session.out().flush()) return absl::OkStatus();
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
  auto live = LiveRequests::Open(session);
  if (!live.ok()) return live.status();
  if (!session.wants_json() && session.environment.width != 0)
    session.err() << "Watching requests as they end. Ctrl-C ends it.\n";
  const absl::Status followed = Follow(session, *live, end, interruption);
  session.out().flush();
  live->Close();
  if (!followed.ok()) return followed;
  constexpr int kSignalled = 128;
  return interruption.signal() == 0 ? 0 : kSignalled + interruption.signal();
}

}  // namespace tulle::cli
