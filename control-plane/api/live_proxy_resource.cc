#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "control-plane/api/answers.h"
#include "control-plane/api/change_events.h"
#include "control-plane/api/live_resources.h"
#include "control-plane/api/request_json.h"
#include "control-plane/insight/event_subjects.h"

namespace tulle::api {
namespace {

using insight::Questions;

constexpr std::array kLevels = {"trace", "debug", "info", "warning", "error", "off"};
constexpr size_t kLongestComponent = 32;
constexpr int64_t kMostLevelSeconds = 24 * 3600;  // as sidecars have it
constexpr std::array kParts = {"clusters", "listeners", "routes", "endpoints", "secrets"};

template <typename Words>
bool IsOneOf(const Words& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// What a sidecar without an answer means.
ApiResponse RefuseUnanswered(const std::string& proxy, const Questions::Outcome& outcome) {
  if (outcome.asked == 0) {
    return Refuse(503, "proxy " + proxy + " is not connected, or cannot be asked",
                  "see `tullectl status`; a sidecar of an older version answers no questions");
  }
  if (!outcome.errors.empty())
    return Refuse(502, "proxy " + proxy + " answered: " + outcome.errors[0]);
  return Refuse(504, "proxy " + proxy + " did not answer within 2 s",
                "try again; a sidecar of an older version answers no questions");
}

// Writing JSON takes stack for each level. Of an honest sidecar it has a dozen.
constexpr int kMostLevels = 64;

std::optional<Json> ParseShallow(const std::string& text) {
  bool is_deep = false;
  const auto look = [&is_deep](int depth, Json::parse_event_t, Json&) {
    is_deep = is_deep || depth > kMostLevels;
    return depth <= kMostLevels;
  };
  Json json = Json::parse(text, look, /*allow_exceptions=*/false);
  if (is_deep || json.is_discarded()) return std::nullopt;
  return json;
}

ApiResponse ConfigAnswer(const std::string& proxy, const Questions::Outcome& outcome) {
  std::optional<Json> config = ParseShallow(outcome.text);
  if (!config) return Refuse(502, "proxy " + proxy + " answered with invalid JSON");
  return Answer({{"proxy", proxy}, {"config", *std::move(config)}});
}

ApiResponse LevelAnswer(const std::string& proxy, const Questions::Outcome& outcome) {
  if (!IsOneOf(kLevels, outcome.text))
    return Refuse(502, "proxy " + proxy + " answered with an unknown level");
  return Answer({{"proxy", proxy}, {"level", outcome.text}});
}

ApiResponse RehearsalAnswer(const std::string& proxy, const Questions::Outcome& outcome) {
  if (outcome.requests.empty()) return Refuse(502, "proxy " + proxy + " answered nothing");
  return Answer(RequestJson(outcome.requests.front()));
}

// [["name", "value"], ...]. False: it is not.
bool ReadHeaders(const std::string& text, insight::v1::WhatIf* question) {
  if (text.empty()) return true;
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_array()) return false;
  for (const Json& pair : json) {
    const bool is_pair =
        pair.is_array() && pair.size() == 2 && pair[0].is_string() && pair[1].is_string();
    if (!is_pair) return false;
    insight::v1::Header& header = *question->add_headers();
    header.set_name(pair[0].get<std::string>());
    header.set_value(pair[1].get<std::string>());
  }
  return true;
}

}  // namespace

Routes LiveProxyResource::routes() {
  return {
      {"GET",
       "/v1/proxies/{name}/live/{part}",
       Access::kReader,
       "Show the configuration that is in force in a connected proxy, with its state: clusters, "
       "listeners, routes, endpoints or secrets (without private keys)",
       By(this, &LiveProxyResource::Config),
       {{"resources",
         "`true`: the resources as the proxy has received them, with whether each is "
         "in use, instead of its state"}}},
      {"GET", "/v1/proxies/{name}/log-level", Access::kReader, "Show the level of a proxy's log",
       By(this, &LiveProxyResource::LogLevel)},
      {"GET",
       "/v1/proxies/{name}/what-if",
       Access::kReader,
       "Show what a connected proxy would do with a request now. Nothing is sent, and no limit is "
       "used up",
       By(this, &LiveProxyResource::WhatIf),
       {{"outbound", "`true`: a request of its workload; else one to it"},
        {"method", "method; defaults to GET"},
        {"authority", "host, with its port if it is not that of the scheme"},
        {"path", "path with the query; defaults to /"},
        {"headers", "a JSON array of pairs [name, value]"},
        {"destination", "outbound: ADDRESS:PORT that the workload would dial, if it is known"},
        {"port", "inbound: port at which the proxy listens"},
        {"source", "inbound: SPIFFE ID of the caller; without it the call is in plaintext"},
        {"sourceAddress", "inbound: IP address of the caller"}}},
      {"PUT",
       "/v1/proxies/{name}/log-level",
       Access::kAdmin,
       "Set the level of a proxy's log: {\"level\", \"seconds\", \"component\"}; without seconds "
       "until "
       "it ends, without component of all of them",
       By(this, &LiveProxyResource::SetLogLevel),
       {},
       kJsonBody},
  };
}

ApiResponse LiveProxyResource::Ask(const Call& call, insight::v1::Question question, Read read) {
  const std::string& proxy = call.arguments[0];
  if (!view_->ProxyNamed(proxy)) return RefuseProxy(proxy);
  if (questions_ == nullptr) return RefuseUnanswered(proxy, {});
  ApiResponse response;
  response.later = [questions = questions_, caller = call.caller.name, proxy,
                    question = std::move(question),
                    read = std::move(read)](ApiResponse::Respond respond) {
    const bool is_asked = questions->Ask(
        caller, [&proxy](const insight::Respondent& each) { return each.proxy() == proxy; },
        question,
        [proxy, read, respond](const Questions::Outcome& outcome) {
          respond(outcome.answered == 0 ? RefuseUnanswered(proxy, outcome) : read(outcome));
        });
    if (!is_asked) respond(RefuseQuestion());
  };
  return response;
}

ApiResponse LiveProxyResource::Config(const Call& call) {
  const std::string& proxy = call.arguments[0];
  const std::string& part = call.arguments[1];
  if (!IsOneOf(kParts, part)) {
    return Refuse(404, "unknown part \"" + part + "\" of a proxy's configuration",
                  "known parts: listeners, routes, clusters, endpoints, secrets");
  }
  ApiResponse refusal;
  bool wants_resources = false;
  if (!ReadFlag(call.request, "resources", &wants_resources, &refusal)) return refusal;
  insight::v1::Question question;
  question.mutable_config()->set_kind(wants_resources ? "resources/" + part : part);
  return Ask(call, std::move(question),
             [proxy](const Questions::Outcome& outcome) { return ConfigAnswer(proxy, outcome); });
}

ApiResponse LiveProxyResource::LogLevel(const Call& call) {
  insight::v1::Question question;
  question.mutable_log_level();
  return Ask(call, std::move(question),
             [proxy = call.arguments[0]](const Questions::Outcome& outcome) {
               return LevelAnswer(proxy, outcome);
             });
}

// The sidecar checks the rest.
ApiResponse LiveProxyResource::WhatIf(const Call& call) {
  ApiResponse refusal;
  bool outbound = false;
  if (!ReadFlag(call.request, "outbound", &outbound, &refusal)) return refusal;
  insight::v1::Question question;
  insight::v1::WhatIf& request = *question.mutable_what_if();
  uint32_t port = 0;
  if (const std::string text = call.QueryOr("port", "0"); !absl::SimpleAtoi(text, &port))
    return Refuse(400, "invalid port \"" + text + "\"", "must be a number", "port");
  if (!ReadHeaders(call.QueryOr("headers", ""), &request))
    return Refuse(400, "invalid headers", "must be a JSON array of pairs [name, value]", "headers");
  request.set_outbound(outbound);
  request.set_port(port);
  request.set_method(call.QueryOr("method", "GET"));
  request.set_authority(call.QueryOr("authority", ""));
  request.set_path(call.QueryOr("path", "/"));
  request.set_destination(call.QueryOr("destination", ""));
  request.set_source(call.QueryOr("source", ""));
  request.set_source_address(call.QueryOr("sourceAddress", ""));
  return Ask(call, std::move(question),
             [proxy = call.arguments[0]](const Questions::Outcome& outcome) {
               return RehearsalAnswer(proxy, outcome);
             });
}

ApiResponse LiveProxyResource::SetLogLevel(const Call& call) {
  const std::string& proxy = call.arguments[0];
  Json json;
  ApiResponse refusal;
  std::string level;
  std::string component;
  int64_t seconds = 0;
  if (!ReadObject(call.request, {"level", "seconds", "component"}, &json, &refusal) ||
      !ReadText(json, "level", &level, &refusal) ||
      !ReadText(json, "component", &component, &refusal) ||
      !ReadSeconds(json, "seconds", &seconds, &refusal)) {
    return refusal;
  }
  if (!IsOneOf(kLevels, level)) {
    return Refuse(400, "invalid level \"" + level + "\"",
                  "supported levels: trace, debug, info, warning, error, off", "level");
  }
  if (component.size() > kLongestComponent)
    return Refuse(400, "invalid component", "use the name of one, such as xds", "component");
  if (seconds > kMostLevelSeconds)
    return Refuse(400, "invalid seconds", "must be at most 86400: a day", "seconds");
  insight::v1::Question question;
  question.mutable_log_level()->set_level(level);
  question.mutable_log_level()->set_seconds(static_cast<uint32_t>(seconds));
  question.mutable_log_level()->set_component(component);
  const std::string what = (component.empty() ? "" : component + "=") + level +
                           (seconds == 0 ? "" : " for " + std::to_string(seconds) + " s");
  const std::string log_line = call.caller.name + " set the log level of " + proxy + " to " + what;
  const auto known = view_->ProxyNamed(proxy);
  const insight::Event event =
      EventBy(call, "LogLevelChanged",
              insight::ProxySubject(proxy, known ? known->pod : "", known ? known->spiffe_id : ""),
              "set the log level to " + what);
  return Ask(call, std::move(question), [=](const Questions::Outcome& outcome) {
    ApiResponse response = LevelAnswer(proxy, outcome);
    if (response.status != 200) return response;
    response.event = log_line;
    response.happened = {event};
    return response;
  });
}

}  // namespace tulle::api
