// `tullectl stat` and `edges`: the traffic of the mesh as its sidecars report it.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "control-plane/cli/commands.h"
#include "control-plane/cli/table.h"
#include "control-plane/cli/traffic.h"
#include "control-plane/cli/traffic_report.h"

namespace tulle::cli {
namespace {

using Row = std::vector<std::string>;

uint64_t CountOf(bool is_tcp, const insight::Traffic& traffic) {
  return is_tcp ? traffic.tcp.opened : traffic.requests;
}

bool IsWide(const Session& session) { return session.invocation.format == Format::kWide; }

void Append(Row more, Row* row) {
  row->insert(row->end(), std::move_iterator(more.begin()), std::move_iterator(more.end()));
}

// SUCCESS to P99.
Row Golden(const insight::Traffic& traffic, int64_t seconds) {
  return {SuccessText(traffic), RateText(traffic.requests, seconds), LatencyText(traffic, 0.5),
          LatencyText(traffic, 0.95), LatencyText(traffic, 0.99)};
}

const Row kGolden = {"SUCCESS", "RPS", "P50", "P95", "P99"};
const Row kCounts = {"REQUESTS", "FAILURES", "MTLS", "ERRORS"};

Row Counts(const insight::Traffic& traffic, uint64_t mutual_tls) {
  return {std::to_string(traffic.requests), std::to_string(traffic.failures),
          SecuredText(mutual_tls, traffic.requests), ErrorsText(traffic)};
}

// The rows of HTTP: what each is about, then its numbers.
class GoldenTable {
 public:
  GoldenTable(Session& session, int64_t seconds, Row about)
      : session_(session), seconds_(seconds), table_(HeadersOf(session, std::move(about))) {}

  template <typename Each>
  void Add(Row about, const Each& each) {
    Append(Golden(each.traffic, seconds_), &about);
    about.push_back(std::to_string(each.callers));
    if (IsWide(session_)) Append(Counts(each.traffic, each.mutual_tls), &about);
    table_.AddRow(std::move(about));
  }
  void Show() {
    if (!table_.empty()) session_.Show(table_);
  }

 private:
  static Row HeadersOf(const Session& session, Row headers) {
    Append(kGolden, &headers);
    headers.push_back("CALLERS");
    if (IsWide(session)) Append(kCounts, &headers);
    return headers;
  }

  Session& session_;
  int64_t seconds_;
  Table table_;
};

void PrintTcp(Session& session, const TrafficReport& report, bool after_another) {
  Table table({"TCP SERVICE", "OPENED", "FAILED", "DENIED", "CLOSED", "BYTES SENT",
               "BYTES RECEIVED", "CALLERS"});
  for (const ServiceTraffic& each : ByService(report.links)) {
    if (!each.is_tcp) continue;
    const insight::Connections& tcp = each.traffic.tcp;
    table.AddRow({ShownName(each.service), std::to_string(tcp.opened), std::to_string(tcp.failed),
                  std::to_string(tcp.denied), std::to_string(tcp.closed), std::to_string(tcp.sent),
                  std::to_string(tcp.received), std::to_string(each.callers)});
  }
  if (table.empty()) return;
  if (after_another) session.out() << "\n";
  session.Show(table);
}

void PrintServices(Session& session, const TrafficReport& report) {
  GoldenTable table(session, report.seconds, {"SERVICE"});
  for (const ServiceTraffic& each : ByService(report.links)) {
    if (!each.is_tcp) table.Add({ShownName(each.service)}, each);
  }
  table.Show();
  const bool has_http = std::any_of(report.links.begin(), report.links.end(),
                                    [](const TrafficLink& link) { return !link.is_tcp; });
  PrintTcp(session, report, has_http);
}

void PrintRoutes(Session& session, const TrafficReport& report) {
  GoldenTable table(session, report.seconds, {"SERVICE", "ROUTE", "BACKEND"});
  for (const RouteTraffic& each : ByRoute(report.links)) {
    table.Add({ShownName(each.service), each.route.empty() ? "-" : each.route,
               each.backend.name.empty() ? "-" : ShownName(each.backend)},
              each);
  }
  table.Show();
}

void PrintEdges(Session& session, const TrafficReport& report) {
  Row headers = {"CALLER", "SERVICE", "IDENTITY", "PROTOCOL", "MTLS", "SUCCESS", "RPS", "P99"};
  if (IsWide(session)) Append({"P50", "P95", "COUNT", "FAILED", "DENIED", "ERRORS"}, &headers);
  Table table(headers);
  for (const TrafficLink& link : report.links) {
    const insight::Traffic& traffic = link.traffic;
    const uint64_t count = CountOf(link.is_tcp, traffic);
    Row row = {ShownName(link.source),
               ShownName(link.service),
               IdentitiesText(link),
               link.is_tcp ? "tcp" : "http",
               SecuredText(link.mutual_tls, count),
               SuccessText(traffic),
               RateText(count, report.seconds),
               LatencyText(traffic, 0.99)};
    if (IsWide(session)) {
      const std::string errors = ErrorsText(traffic);
      Append({LatencyText(traffic, 0.5), LatencyText(traffic, 0.95), std::to_string(count),
              std::to_string(link.is_tcp ? traffic.tcp.failed : traffic.failures),
              std::to_string(link.is_tcp ? traffic.tcp.denied : RefusedIn(traffic)),
              errors.empty() ? "-" : errors},
             &row);
    }
    table.AddRow(std::move(row));
  }
  session.Show(table);
}

using Print = void (*)(Session&, const TrafficReport&);

absl::StatusOr<int> Show(Session& session, const char* path, bool or_caller, Print print) {
  const auto report = GetTraffic(session, path, or_caller);
  if (!report.ok()) return report.status();
  if (session.wants_json()) {
    PrintJson(report->reply, session.invocation.format, session.out());
  } else if (report->links.empty()) {
    SayNoTraffic(session);
  } else {
    print(session, *report);
  }
  return 0;
}

}  // namespace

absl::StatusOr<int> Stat(Session& session) {
  const std::string& by = session.invocation.selection.by;
  if (by == "edge") return Show(session, "/v1/traffic", /*or_caller=*/false, PrintEdges);
  if (by == "route") return Show(session, "/v1/traffic/routes", /*or_caller=*/false, PrintRoutes);
  return Show(session, "/v1/traffic", /*or_caller=*/false, PrintServices);
}

absl::StatusOr<int> Edges(Session& session) {
  return Show(session, "/v1/traffic", /*or_caller=*/true, PrintEdges);
}

}  // namespace tulle::cli
