#include <algorithm>
#include <charconv>
#include <optional>

#include "certs/spiffe_names.h"
#include "control-plane/api/answers.h"
#include "control-plane/api/mesh_resources.h"
#include "control-plane/insight/traffic.h"
#include "control-plane/insight/traffic_book.h"
#include "control-plane/insight/traffic_history.h"

namespace tulle::api {
namespace {

constexpr char kWindow[] = "60";

constexpr char kHistoryWindow[] = "3600";
constexpr char kHistoryStep[] = "60";

std::optional<int64_t> ReadWindow(const std::string& text) {
  int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (seconds < 1 || seconds > insight::TrafficBook::kKeptSeconds) return std::nullopt;
  return seconds;
}

Json WorkloadJson(const std::string& spiffe_id) {
  const certs::WorkloadNames names = certs::WorkloadNamesOf(spiffe_id);
  return {{"namespace", std::string(names.namespace_name)},
          {"name", std::string(names.account)},
          {"spiffeId", spiffe_id}};
}

// Of NAME.NAMESPACE.svc...; other hosts have no namespace.
Json ServiceJson(const std::string& host) {
  const size_t dot = host.find('.');
  const bool is_service = dot != std::string::npos && host.find(".svc", dot) != std::string::npos;
  if (!is_service) return {{"namespace", ""}, {"name", host}, {"host", host}};
  const std::string rest = host.substr(dot + 1);
  return {
      {"namespace", rest.substr(0, rest.find('.'))}, {"name", host.substr(0, dot)}, {"host", host}};
}

Json OutcomesJson(const insight::Traffic& traffic) {
  Json outcomes = Json::array();
  for (const auto& [outcome, count] : traffic.outcomes) {
    Json each = {{"code", outcome.code}, {"flags", outcome.flags}, {"count", count}};
    if (outcome.grpc_status >= 0) each["grpcStatus"] = outcome.grpc_status;
    if (outcome.is_failure()) each["failure"] = true;
    outcomes.push_back(std::move(each));
  }
  return outcomes;
}

// Whose traffic it is.
Json LinkNamesJson(const insight::Link& link) {
  return {{"source", WorkloadJson(link.source)},
          {"service", ServiceJson(link.service)},
          {"protocol", link.is_tcp ? "tcp" : "http"},
          {"reportedBy", link.by_caller ? "source" : "destination"}};
}

Json LinkJson(const insight::Link& link) {
  Json destinations = Json::array();
  for (const std::string& id : link.destinations) destinations.push_back(WorkloadJson(id));
  Json json = LinkNamesJson(link);
  json["destinations"] = std::move(destinations);
  json["mutualTls"] = link.mutual_tls;
  const insight::Traffic& traffic = link.traffic;
  if (link.is_tcp) {
    json["connections"] = {
        {"opened", traffic.tcp.opened},  {"closed", traffic.tcp.closed},
        {"failed", traffic.tcp.failed},  {"denied", traffic.tcp.denied},
        {"sentBytes", traffic.tcp.sent}, {"receivedBytes", traffic.tcp.received}};
    return json;
  }
  json["requests"] = traffic.requests;
  json["failures"] = traffic.failures;
  json["latencyMs"] = {{"p50", traffic.Quantile(0.5)},
                       {"p95", traffic.Quantile(0.95)},
                       {"p99", traffic.Quantile(0.99)}};
  json["buckets"] = traffic.buckets;
  json["outcomes"] = OutcomesJson(traffic);
  return json;
}

Json StepJson(const insight::Traffic& traffic, int64_t at) {
  Json json = {{"at", at}};
  if (traffic.requests != 0) {
    const auto last = std::find_if(traffic.buckets.rbegin(), traffic.buckets.rend(),
                                   [](uint64_t count) { return count != 0; });
    json["requests"] = traffic.requests;
    json["failures"] = traffic.failures;
    json["buckets"] = std::vector<uint64_t>(traffic.buckets.begin(), last.base());
    json["latencyMs"] = {{"p50", traffic.Quantile(0.5)},
                         {"p95", traffic.Quantile(0.95)},
                         {"p99", traffic.Quantile(0.99)}};
  }
  if (traffic.tcp.opened + traffic.tcp.sent + traffic.tcp.received != 0) {
    json["opened"] = traffic.tcp.opened;
    json["failed"] = traffic.tcp.failed;
    json["denied"] = traffic.tcp.denied;
    json["sentBytes"] = traffic.tcp.sent;
    json["receivedBytes"] = traffic.tcp.received;
  }
  return json;
}

// Steps without traffic are left out.
Json LineJson(const insight::TrafficHistory::Line& line, int64_t from, int64_t step) {
  Json json = LinkNamesJson(line.link);
  json["steps"] = Json::array();
  for (size_t i = 0; i < line.steps.size(); ++i) {
    Json each = StepJson(line.steps[i], from + static_cast<int64_t>(i) * step);
    if (each.size() > 1) json["steps"].push_back(std::move(each));
  }
  return json;
}

}  // namespace

Routes TrafficResource::routes() {
  return {
      {"GET",
       "/v1/traffic",
       Access::kReader,
       "List which workloads have called which services, with rates, failures and latencies, as "
       "the sidecars report them",
       By(this, &TrafficResource::Links),
       {{"window",
         "seconds, 1 to 3600, rounded up to whole intervals of ten, the last of which is over; "
         "defaults to 60"}}},
      {"GET",
       "/v1/traffic/routes",
       Access::kReader,
       "The same by route, for HTTP and gRPC: `service` was called, and the route has chosen "
       "`backend`",
       By(this, &TrafficResource::RouteLinks),
       {{"window", "as of /v1/traffic"}, {"service", "host that was called; defaults to all"}}},
      {"GET",
       "/v1/traffic/history",
       Access::kReader,
       "Show the traffic of the 100 busiest links step by step; steps without traffic are left out",
       By(this, &TrafficResource::History),
       {{"window",
         "seconds until the last step that is over, whole steps, at most 60 steps and "
         "3600; defaults to 3600"},
        {"step",
         "seconds: whole minutes, or tens of seconds in a window of at most 240; defaults "
         "to 60"},
        {"service", "host of one service; defaults to all"}}},
  };
}

ApiResponse TrafficResource::History(const Call& call) {
  const auto window = ReadWindow(call.QueryOr("window", kHistoryWindow));
  const auto step = ReadWindow(call.QueryOr("step", kHistoryStep));
  const insight::HistoryRange range{window.value_or(0), step.value_or(0)};
  if (!window || !step || !range.is_valid()) {
    return Refuse(400, "window and step do not fit",
                  "use whole minutes as step, or tens of seconds in a window of at most 240; the "
                  "window is 1 to 60 steps and at most 3600",
                  step ? "window" : "step");
  }
  Json json = {{"step", *step}, {"links", Json::array()}};
  if (traffic_ == nullptr) return Answer(json);
  const insight::TrafficHistory history =
      insight::HistoryOf(*traffic_, range, call.QueryOr("service", ""), call.now);
  json["from"] = history.from;
  json["steps"] = history.steps;
  json["knownFrom"] = traffic_->SlotStart(history.from);
  json["leftOut"] = history.left_out;
  for (const auto& line : history.lines)
    json["links"].push_back(LineJson(line, history.from, *step));
  return Answer(json);
}

ApiResponse TrafficResource::Links(const Call& call) {
  const auto window = ReadWindow(call.QueryOr("window", kWindow));
  if (!window)
    return Refuse(400, "window must be a number of seconds from 1 to 3600", "", "window");
  Json json = {{"seconds", *window}, {"links", Json::array()}};
  if (traffic_ == nullptr) return Answer(json);
  const auto [from, until] = traffic_->Newest(*window, call.now);
  json["seconds"] = until - from;
  for (const insight::Link& link : insight::LinksOf(traffic_->Between(from, until)))
    json["links"].push_back(LinkJson(link));
  return Answer(json);
}

ApiResponse TrafficResource::RouteLinks(const Call& call) {
  const auto window = ReadWindow(call.QueryOr("window", kWindow));
  if (!window)
    return Refuse(400, "window must be a number of seconds from 1 to 3600", "", "window");
  Json json = {{"seconds", *window}, {"links", Json::array()}};
  if (traffic_ == nullptr) return Answer(json);
  const auto [from, until] = traffic_->Newest(*window, call.now);
  json["seconds"] = until - from;
  const std::string service = call.QueryOr("service", "");
  for (const insight::Link& link :
       insight::LinksOf(traffic_->Between(from, until), insight::Detail::kRoutes)) {
    if (link.is_tcp || (!service.empty() && link.called != service)) continue;
    Json each = LinkJson(link);
    each["backend"] = std::move(each["service"]);
    each["service"] = ServiceJson(link.called);
    each["route"] = link.route;
    json["links"].push_back(std::move(each));
  }
  return Answer(json);
}

}  // namespace tulle::api
