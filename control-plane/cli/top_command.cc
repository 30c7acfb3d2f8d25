// `tullectl top`: the busiest requests, counted as they end.

#include <string>

#include "control-plane/cli/commands.h"
#include "control-plane/cli/interruption.h"
#include "control-plane/cli/live_requests.h"
#include "control-plane/cli/request_counts.h"
#include "control-plane/cli/table.h"
#include "control-plane/cli/traffic.h"
#include "control-plane/cli/watch.h"
#include "control-plane/diagnosis/hops.h"

namespace tulle::cli {
namespace {

using diagnosis::MicrosText;

constexpr int64_t kRoundSeconds = 2;
constexpr size_t kMostRows = 30;
constexpr size_t kMostRowsOfJson = RequestCounts::kMostRows;
constexpr int kSignalled = 128;

std::string SuccessOf(const RequestCounts::Row& row) {
  insight::Traffic traffic;
  traffic.requests = row.count;
  traffic.failures = row.failures;
  return SuccessText(traffic);
}

void PrintTable(Session& session, const RequestCounts& counts, int64_t left_out) {
  Table table({"CALLER", "SERVICE", "METHOD", "PATH", "COUNT", "BEST", "WORST", "LAST", "SUCCESS"});
  for (const RequestCounts::Row& row : counts.Busiest(kMostRows)) {
    table.AddRow({row.caller, row.service, row.method, row.path, std::to_string(row.count),
                  MicrosText(row.best_micros), MicrosText(row.worst_micros),
                  MicrosText(row.last_micros), SuccessOf(row)});
  }
  session.Show(table);
  if (left_out > 0) {
    session.out()
        << "\nNot counted: " << left_out
        << " requests, since a sidecar shows at most 100 a second. `tullectl stat` counts "
           "all.\n";
  }
}

// One document of each round.
void PrintAsJson(Session& session, const RequestCounts& counts) {
  Json json = {{"requests", Json::array()}};
  for (const RequestCounts::Row& row : counts.Busiest(kMostRowsOfJson)) {
    json["requests"].push_back({{"caller", row.caller},
                                {"service", row.service},
                                {"method", row.method},
                                {"path", row.path},
                                {"count", row.count},
                                {"failures", row.failures},
                                {"bestMicros", row.best_micros},
                                {"worstMicros", row.worst_micros},
                                {"lastMicros", row.last_micros}});
  }
  if (session.invocation.format == Format::kJson) return PrintJsonLine(json, session.out());
  session.out() << "---\n";
  PrintJson(json, Format::kYaml, session.out());
}

// Counts for a round. False: the user has ended it.
absl::StatusOr<bool> Count(Session& session, LiveRequests& live, const Interruption& interruption,
                           RequestCounts* counts) {
  const int64_t end = session.environment.now() + kRoundSeconds;
  do {
    const auto news = live.Read();
    if (interruption.signal() != 0) return false;
    if (!news.ok()) return news.status();
    for (const Json& record : PartAt(*news, "/requests")) counts->Add(record);
  } while (session.environment.now() < end);
  return true;
}

absl::Status Follow(Session& session, LiveRequests& live, const Interruption& interruption) {
  RequestCounts counts;
  for (int64_t shown = 1;; ++shown) {
    const auto goes_on = Count(session, live, interruption, &counts);
    if (!goes_on.ok()) return goes_on.status();
    if (!*goes_on) return absl::OkStatus();
    {
      Screen screen(session);
      session.wants_json() ? PrintAsJson(session, counts)
                           : PrintTable(session, counts, live.left_out());
      screen.Show(shown == 1);
    }
    if (!session.out().good() || shown == session.invocation.refreshes) return absl::OkStatus();
  }
}

}  // namespace

absl::StatusOr<int> Top(Session& session) {
  const Interruption interruption;
  auto live = LiveRequests::Open(session);
  if (!live.ok()) return live.status();
  live->CountLosses();
  const absl::Status followed = Follow(session, *live, interruption);
  live->Close();
  if (!followed.ok()) return followed;
  return interruption.signal() == 0 ? 0 : kSignalled + interruption.signal();
}

}  // namespace tulle::cli
