// `tullectl stat`, `edges` and `top`: the traffic of the mesh as its sidecars report it.

#include <algorithm>

#include "control-plane/cli/commands.h"
#include "control-plane/cli/lifetime.h"
#include "control-plane/cli/table.h"
#include "control-plane/cli/traffic.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

constexpr int64_t kLongestWindow = 3600;
constexpr size_t kRowsOfTop = 30;

struct Report {
  Json reply;
  int64_t seconds = 0;
  std::vector<TrafficLink> links;  // of the namespace that was asked for
};

std::string Shown(const TrafficName& name) {
  if (name.name.empty()) return "unknown";
  return name.ns.empty() ? name.name : name.name + "." + name.ns;
}

absl::StatusOr<Report> GetTraffic(Session& session) {
  const auto window = ParseLifetime(session.invocation.window);
  if (!window.ok()) return window.status();
  if (*window > kLongestWindow) {
    return UserError("invalid time window \"" + session.invocation.window + "\"",
                     "the control plane keeps the last hour: use at most 1h");
  }
  auto reply = session.Get("/v1/traffic", {{"window", std::to_string(*window)}});
  if (!reply.ok()) return reply.status();
  Report report{*std::move(reply), 0, {}};
  report.seconds = NumberAt(report.reply, "/seconds");
  if (!report.reply.contains("links")) report.reply["links"] = Json::array();
  report.links = ReadLinks(report.reply);
  const std::string& ns = session.invocation.ns;
  if (ns.empty()) return report;
  const bool is_of_services = session.invocation.command == Command::kStat;
  auto& links = report.reply["links"].get_ref<Json::array_t&>();
  std::erase_if(links, [&](const Json& link) {
    return TextAt(link, "/service/namespace") != ns &&
           (is_of_services || TextAt(link, "/source/namespace") != ns);
  });
  report.links = ReadLinks(report.reply);
  return report;
}

uint64_t CountOf(bool is_tcp, const insight::Traffic& traffic) {
  return is_tcp ? traffic.tcp.opened : traffic.requests;
}

void SayNoTraffic(Session& session) {
  const std::string& ns = session.invocation.ns;
  const bool is_of_services = session.invocation.command == Command::kStat;
  session.err() << "No traffic "
                << (ns.empty() ? "" : (is_of_services ? "to namespace " : "from or to namespace "))
                << ns << (ns.empty() ? "" : " ") << "in the last " << session.invocation.window
                << ". Sidecars report every 5 s: check with `tullectl status` that they are "
                   "connected, or use a longer -t.\n";
}

void PrintServices(Session& session, const Report& report) {
  const bool is_wide = session.invocation.format == Format::kWide;
  std::vector<std::string> headers = {"SERVICE", "SUCCESS", "RPS", "P50", "P95", "P99", "CALLERS"};
  if (is_wide) headers.insert(headers.end(), {"REQUESTS", "FAILURES", "MTLS", "ERRORS"});
  Table table(headers);
  for (const ServiceTraffic& each : ByService(report.links)) {
    if (each.is_tcp) continue;
    const insight::Traffic& traffic = each.traffic;
    std::vector<std::string> row = {Shown(each.service),
                                    SuccessText(traffic),
                                    RateText(traffic.requests, report.seconds),
                                    LatencyText(traffic, 0.5),
                                    LatencyText(traffic, 0.95),
                                    LatencyText(traffic, 0.99),
                                    std::to_string(each.callers)};
    if (is_wide) {
      row.insert(row.end(), {std::to_string(traffic.requests), std::to_string(traffic.failures),
                             SecuredText(each.mutual_tls, traffic.requests), ErrorsText(traffic)});
    }
    table.AddRow(std::move(row));
  }
  if (!table.empty()) session.Show(table);
}

void PrintTcp(Session& session, const Report& report, bool after_another) {
  Table table({"TCP SERVICE", "OPENED", "CLOSED", "BYTES SENT", "BYTES RECEIVED", "CALLERS"});
  for (const ServiceTraffic& each : ByService(report.links)) {
    if (!each.is_tcp) continue;
    const insight::Connections& tcp = each.traffic.tcp;
    table.AddRow({Shown(each.service), std::to_string(tcp.opened), std::to_string(tcp.closed),
                  std::to_string(tcp.sent), std::to_string(tcp.received),
                  std::to_string(each.callers)});
  }
  if (table.empty()) return;
  if (after_another) session.out() << "\n";
  session.Show(table);
}

void PrintStat(Session& session, const Report& report) {
  PrintServices(session, report);
  const bool has_http = std::any_of(report.links.begin(), report.links.end(),
                                    [](const TrafficLink& link) { return !link.is_tcp; });
  PrintTcp(session, report, has_http);
}

void PrintEdges(Session& session, const Report& report) {
  Table table({"SOURCE", "SERVICE", "PROTOCOL", "MTLS", "SUCCESS", "RPS", "P99"});
  for (const TrafficLink& link : report.links) {
    const uint64_t count = CountOf(link.is_tcp, link.traffic);
    table.AddRow({Shown(link.source), Shown(link.service), link.is_tcp ? "tcp" : "http",
                  SecuredText(link.mutual_tls, count), SuccessText(link.traffic),
                  RateText(count, report.seconds), LatencyText(link.traffic, 0.99)});
  }
  session.Show(table);
}

// The busiest first.
void PrintTop(Session& session, Report report) {
  std::stable_sort(report.links.begin(), report.links.end(),
                   [](const TrafficLink& one, const TrafficLink& other) {
                     return CountOf(one.is_tcp, one.traffic) > CountOf(other.is_tcp, other.traffic);
                   });
  Table table({"SOURCE", "SERVICE", "RPS", "SUCCESS", "P50", "P95", "P99", "ERRORS"});
  size_t rows = 0;
  for (const TrafficLink& link : report.links) {
    if (++rows > kRowsOfTop) break;
    const std::string errors = ErrorsText(link.traffic);
    table.AddRow({Shown(link.source), Shown(link.service),
                  RateText(CountOf(link.is_tcp, link.traffic), report.seconds),
                  SuccessText(link.traffic), LatencyText(link.traffic, 0.5),
                  LatencyText(link.traffic, 0.95), LatencyText(link.traffic, 0.99),
                  errors.empty() ? "-" : errors});
  }
  session.Show(table);
}

template <typename Print>
absl::StatusOr<int> Show(Session& session, Print print) {
  auto report = GetTraffic(session);
  if (!report.ok()) return report.status();
  if (session.wants_json()) {
    PrintJson(report->reply, session.invocation.format, session.out());
  } else if (report->links.empty()) {
    SayNoTraffic(session);
  } else {
    print(session, *std::move(report));
  }
  return 0;
}

}  // namespace

absl::StatusOr<int> Stat(Session& session) { return Show(session, PrintStat); }

absl::StatusOr<int> Edges(Session& session) { return Show(session, PrintEdges); }

absl::StatusOr<int> Top(Session& session) { return Show(session, PrintTop); }

}  // namespace tulle::cli
