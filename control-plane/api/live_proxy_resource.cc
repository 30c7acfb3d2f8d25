#include <algorithm>
#include <array>
#include <utility>

#include "control-plane/api/answers.h"
#include "control-plane/api/live_resources.h"

namespace tulle::api {
namespace {

using insight::Questions;

constexpr std::array kLevels = {"trace", "debug", "info", "warning", "error", "off"};
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

ApiResponse ConfigAnswer(const std::string& proxy, const Questions::Outcome& outcome) {
  Json config = Json::parse(outcome.text, nullptr, /*allow_exceptions=*/false);
  if (config.is_discarded()) return Refuse(502, "proxy " + proxy + " answered with invalid JSON");
  return Answer({{"proxy", proxy}, {"config", std::move(config)}});
}

ApiResponse LevelAnswer(const std::string& proxy, const Questions::Outcome& outcome) {
  if (!IsOneOf(kLevels, outcome.text))
    return Refuse(502, "proxy " + proxy + " answered with an unknown level");
  return Answer({{"proxy", proxy}, {"level", outcome.text}});
}

}  // namespace

Routes LiveProxyResource::routes() {
  return {
      {"GET", "/v1/proxies/{name}/live/{part}", Access::kReader,
       "Show the configuration that is in force in a connected proxy, with its state: clusters, "
       "listeners, routes, endpoints or secrets (without private keys)",
       By(this, &LiveProxyResource::Config)},
      {"GET", "/v1/proxies/{name}/log-level", Access::kReader, "Show the level of a proxy's log",
       By(this, &LiveProxyResource::LogLevel)},
      {"PUT",
       "/v1/proxies/{name}/log-level",
       Access::kAdmin,
       "Set the level of a proxy's log: {\"level\", \"seconds\"}; without seconds until it ends",
       By(this, &LiveProxyResource::SetLogLevel),
       {},
       kJsonBody},
  };
}

ApiResponse LiveProxyResource::Ask(const std::string& proxy, insight::v1::Question question,
                                   Read read) {
  if (!view_->ProxyNamed(proxy)) return RefuseProxy(proxy);
  if (questions_ == nullptr) return RefuseUnanswered(proxy, {});
  ApiResponse response;
  response.later = [questions = questions_, proxy, question = std::move(question),
                    read = std::move(read)](ApiResponse::Respond respond) {
    const bool is_asked = questions->Ask(
        [&proxy](const insight::Respondent& each) { return each.proxy() == proxy; }, question,
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
  insight::v1::Question question;
  question.mutable_config()->set_kind(part);
  return Ask(proxy, std::move(question),
             [proxy](const Questions::Outcome& outcome) { return ConfigAnswer(proxy, outcome); });
}

ApiResponse LiveProxyResource::LogLevel(const Call& call) {
  insight::v1::Question question;
  question.mutable_log_level();
  return Ask(call.arguments[0], std::move(question),
             [proxy = call.arguments[0]](const Questions::Outcome& outcome) {
               return LevelAnswer(proxy, outcome);
             });
}

ApiResponse LiveProxyResource::SetLogLevel(const Call& call) {
  const std::string& proxy = call.arguments[0];
  Json json;
  ApiResponse refusal;
  std::string level;
  int64_t seconds = 0;
  if (!ReadObject(call.request, {"level", "seconds"}, &json, &refusal) ||
      !ReadText(json, "level", &level, &refusal) ||
      !ReadSeconds(json, "seconds", &seconds, &refusal)) {
    return refusal;
  }
  if (!IsOneOf(kLevels, level)) {
    return Refuse(400, "invalid level \"" + level + "\"",
                  "supported levels: trace, debug, info, warning, error, off", "level");
  }
  insight::v1::Question question;
  question.mutable_log_level()->set_level(level);
  question.mutable_log_level()->set_seconds(static_cast<uint32_t>(seconds));
  ApiResponse response =
      Ask(proxy, std::move(question),
          [proxy](const Questions::Outcome& outcome) { return LevelAnswer(proxy, outcome); });
  if (response.later) {
    response.event = call.caller.name + " sets the log level of " + proxy + " to " + level +
                     (seconds == 0 ? "" : " for " + std::to_string(seconds) + " s");
  }
  return response;
}

}  // namespace tulle::api
