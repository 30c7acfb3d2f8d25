#include "control-plane/api/answers.h"

#include <algorithm>

#include "control-plane/policy/kinds.h"

namespace tulle::api {
namespace {

int HttpStatusOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kFailedPrecondition:
      return 409;
    case absl::StatusCode::kResourceExhausted:
      return 507;
    case absl::StatusCode::kUnavailable:
      return 503;
    default:
      return 500;
  }
}

Json ProblemJson(const policy::Problem& problem) {
  return {{"error", problem.message}, {"file", problem.file},   {"line", problem.line},
          {"column", problem.column}, {"field", problem.field}, {"hint", problem.hint}};
}

}  // namespace

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

ApiResponse Answer(const Json& json, int status) { return {status, Dump(json)}; }

ApiResponse Refuse(int status, std::string_view error, std::string_view hint,
                   std::string_view field) {
  Json json = {{"error", error}};
  if (!hint.empty()) json["hint"] = hint;
  if (!field.empty()) json["field"] = field;
  return Answer(json, status);
}

ApiResponse Refuse(const absl::Status& status) {
  // Messages have the form "what is wrong: what to do".
  const std::string text(status.message());
  const size_t colon = text.rfind(": ");
  return Refuse(HttpStatusOf(status.code()), text.substr(0, colon),
                colon == std::string::npos ? "" : text.substr(colon + 2));
}

ApiResponse Refuse(const policy::Problems& problems) {
  Json json = ProblemJson(problems[0]);
  for (const policy::Problem& problem : problems) json["problems"].push_back(ProblemJson(problem));
  return Answer(json, 400);
}

ApiResponse RefuseKind(const std::string& kind) {
  std::string known;
  for (const std::string_view name : policy::KindNames()) {
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  return Refuse(404, "unknown kind \"" + kind + "\"", "known kinds: " + known);
}

ApiResponse RefuseProxy(const std::string& name) {
  return Refuse(404, "proxy " + name + " not found", "list proxies with `tullectl status`");
}

ApiResponse RefuseQuestion() {
  return Refuse(503, "sidecars are being asked too many questions at once",
                "try again in a few seconds");
}

bool ReadObject(const ApiRequest& request, std::initializer_list<std::string_view> fields,
                Json* json, ApiResponse* refusal) {
  *json = request.body.empty() ? Json::object()
                               : Json::parse(request.body, nullptr, /*allow_exceptions=*/false);
  if (!json->is_object()) {
    *refusal = Refuse(400, "the body must be a JSON object", "send {\"name\": value, ...}");
    return false;
  }
  // A misspelled field would count as absent, and the request would mean more than intended.
  for (const auto& [name, value] : json->items()) {
    if (std::find(fields.begin(), fields.end(), name) != fields.end()) continue;
    std::string known;
    for (const std::string_view field : fields)
      known += (known.empty() ? "" : ", ") + std::string(field);
    *refusal = Refuse(400, "unknown field \"" + name + "\"",
                      known.empty() ? "send no body" : "known fields: " + known, name);
    return false;
  }
  return true;
}

bool ReadFlag(const ApiRequest& request, const std::string& name, bool* flag,
              ApiResponse* refusal) {
  const auto found = request.query.find(name);
  *flag = found != request.query.end() && found->second == "true";
  if (found == request.query.end() || *flag || found->second == "false") return true;
  *refusal = Refuse(400, "invalid value \"" + found->second + "\"",
                    "use " + name + "=true or " + name + "=false", name);
  return false;
}

bool ReadText(const Json& json, const char* field, std::string* text, ApiResponse* refusal) {
  const auto found = json.find(field);
  if (found == json.end()) return true;
  if (!found->is_string()) {
    *refusal = Refuse(400, "expected text", "send it in quotes", field);
    return false;
  }
  *text = found->get<std::string>();
  return true;
}

bool ReadSeconds(const Json& json, const char* field, int64_t* seconds, ApiResponse* refusal) {
  constexpr int64_t kTenYears = 3650LL * 24 * 3600;
  const auto found = json.find(field);
  if (found == json.end()) return true;
  if (!found->is_number_integer() || found->get<int64_t>() <= 0 ||
      found->get<int64_t>() > kTenYears) {
    *refusal = Refuse(400, "invalid number of seconds",
                      "must be a whole number between 1 and 315360000", field);
    return false;
  }
  *seconds = found->get<int64_t>();
  return true;
}

std::string UtcTime(int64_t seconds) {
  const time_t time = seconds;
  tm parts{};
  char text[sizeof("2026-11-21T15:04:05Z")];
  if (gmtime_r(&time, &parts) == nullptr) return "";
  return std::string(text, strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts));
}

}  // namespace tulle::api
