#include <algorithm>
#include <charconv>
#include <optional>

#include "certs/spiffe_names.h"
#include "control-plane/api/answers.h"
#include "control-plane/api/mesh_resources.h"
#include "control-plane/insight/traffic.h"
#include "control-plane/insight/traffic_book.h"

namespace tulle::api {
namespace {

constexpr char kWindow[] = "60";

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
    outcomes.push_back(std::move(each));
  }
  return outcomes;
}

Json LinkJson(const insight::Link& link) {
  Json destinations = Json::array();
  for (const std::string& id : link.destinations) destinations.push_back(WorkloadJson(id));
  Json json = {{"source", WorkloadJson(link.source)},
               {"service", ServiceJson(link.service)},
               {"destinations", std::move(destinations)},
               {"protocol", link.is_tcp ? "tcp" : "http"},
               {"mutualTls", link.mutual_tls},
               {"reportedBy", link.by_caller ? "source" : "destination"}};
  const insight::Traffic& traffic = link.traffic;
  if (link.is_tcp) {
    json["connections"] = {{"opened", traffic.tcp.opened},
                           {"closed", traffic.tcp.closed},
                           {"sentBytes", traffic.tcp.sent},
                           {"receivedBytes", traffic.tcp.received}};
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

}  // namespace

Routes TrafficResource::routes() {
  return {
      {"GET",
       "/v1/traffic",
       Access::kReader,
       "List which workloads have called which services, with rates, failures and latencies, as "
       "the sidecars report them",
       By(this, &TrafficResource::Links),
       {{"window", "seconds until now, 1 to 3600, rounded up to whole intervals; defaults to 60"}}},
  };
}

ApiResponse TrafficResource::Links(const Call& call) {
  const auto window = ReadWindow(call.QueryOr("window", kWindow));
  if (!window)
    return Refuse(400, "window must be a number of seconds from 1 to 3600", "", "window");
  Json json = {{"seconds", *window}, {"links", Json::array()}};
  if (traffic_ == nullptr) return Answer(json);
  const int64_t from = call.now - *window;
  json["seconds"] = std::max<int64_t>(call.now - traffic_->SlotStart(from), 1);
  for (const insight::Link& link : insight::LinksOf(traffic_->Since(from)))
    json["links"].push_back(LinkJson(link));
  return Answer(json);
}

}  // namespace tulle::api
