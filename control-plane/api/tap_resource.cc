#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "control-plane/api/change_events.h"
#include "control-plane/api/live_resources.h"
#include "control-plane/api/request_json.h"
#include "control-plane/insight/taps.h"
#include "telemetry/secret_headers.h"

namespace tulle::api {
namespace {

using insight::Taps;

// As sidecars take them.
constexpr size_t kMostHeaders = 4;
constexpr size_t kLongestHeaderName = 64;
constexpr size_t kLongestHeader = 256;

ApiResponse RefuseTap(const std::string& id) {
  return Refuse(404, "tap " + id + " not found",
                "it ends when nobody reads it for 10 s, and is its creator's alone: open another");
}

// The fields as texts. False: *refusal is set.
bool ReadTexts(const Json& json, std::map<std::string, std::string>* texts, ApiResponse* refusal) {
  for (const auto& [name, value] : json.items()) {
    if (value.is_structured() || value.is_null()) {
      *refusal = Refuse(400, "expected text, a number, or true or false", "", name);
      return false;
    }
    (*texts)[name] = value.is_string() ? value.get<std::string>() : value.dump();
  }
  return true;
}

// "NAME", or "NAME:VALUE" as of curl. False: *refusal is set.
bool ReadHeader(const Json& text, bool redacts, insight::v1::HeaderFilter* header,
                ApiResponse* refusal) {
  const auto refuse = [&](const std::string& error, const std::string& hint) {
    *refusal = Refuse(400, error, hint, "headers");
    return false;
  };
  if (!text.is_string()) return refuse("a header must be a text", "use \"NAME\" or \"NAME:VALUE\"");
  const auto whole = text.get<std::string>();
  const size_t colon = whole.find(':');
  const std::string name = whole.substr(0, colon);
  if (name.empty() || name.size() > kLongestHeaderName || whole.size() > kLongestHeader)
    return refuse("invalid header", "use NAME or NAME:VALUE; at most 64 and 256 bytes");
  header->set_name(name);
  if (colon == std::string::npos) return true;
  if (redacts && telemetry::IsSecretHeader(name)) {
    return refuse("the value of " + name + " may be a secret",
                  "look for its name alone, or do not redact, which needs the role admin");
  }
  header->set_value(std::string(absl::StripAsciiWhitespace(whole.substr(colon + 1))));
  return true;
}

// False: *refusal is set.
bool ReadHeaders(const Json& json, bool redacts, insight::v1::RequestFilter* filter,
                 ApiResponse* refusal) {
  if (!json.contains("headers")) return true;
  const Json& headers = json["headers"];
  if (!headers.is_array() || headers.size() > kMostHeaders) {
    *refusal = Refuse(400, "headers must be a list of at most 4 texts", "", "headers");
    return false;
  }
  return std::all_of(headers.begin(), headers.end(), [&](const Json& text) {
    return ReadHeader(text, redacts, filter->add_headers(), refusal);
  });
}

// Which headers are shown. Unset: *refusal is set.
std::optional<insight::v1::HeaderView> ReadView(const Call& call, const Json& json,
                                                ApiResponse* refusal) {
  for (const char* name : {"showHeaders", "redact"}) {
    if (!json.contains(name) || json[name].is_boolean()) continue;
    *refusal = Refuse(400, std::string(name) + " must be true or false", "", name);
    return std::nullopt;
  }
  if (json.value("redact", true)) {
    return json.value("showHeaders", false) ? insight::v1::REDACTED : insight::v1::NO_HEADERS;
  }
  if (call.caller.role != Role::kAdmin) {
    *refusal = Refuse(403, "headers with their secrets are for the role admin only",
                      "leave out redact=false (`--no-redact`)", "redact");
    return std::nullopt;
  }
  return insight::v1::ALL_VALUES;
}

// What is watched, for the log: "service=cart method=GET".
std::string TextOf(const std::map<std::string, std::string>& texts) {
  std::string text;
  for (const auto& [name, value] : texts) {
    // A query may have secrets, and no path matches one.
    const std::string shown = value.substr(0, value.find('?'));
    text += (text.empty() ? "" : " ") + name + "=" + Json(shown).dump(-1, ' ', true);
  }
  return text.empty() ? "all requests" : text;
}

// The same of headers: values may be those of a person.
std::string TextOf(const insight::v1::RequestFilter& filter, insight::v1::HeaderView view) {
  std::string text;
  for (const auto& header : filter.headers())
    text += " header=" + Json(header.name()).dump(-1, ' ', true);
  if (view == insight::v1::REDACTED) text += ", with headers";
  if (view == insight::v1::ALL_VALUES) text += ", with headers and their secrets";
  return text;
}

Taps::Owner OwnerOf(const Call& call) { return {call.caller.name, call.caller.session}; }

ApiResponse NewsAnswer(const insight::Taps::News& news) {
  Json json = {{"requests", Json::array()}, {"leftOut", news.left_out}, {"sidecars", news.asked}};
  for (const auto& record : news.requests) json["requests"].push_back(RequestJson(record));
  if (!news.errors.empty()) json["errors"] = news.errors;
  return Answer(json);
}

}  // namespace

// Whoever may read may watch: /v1/requests has the same requests, a little later. Who watches what
// is in the log.
Routes TapResource::routes() {
  return {
      {"POST",
       "/v1/taps",
       Access::kReader,
       "Watch requests as they end: fields as the parameters of /v1/requests, `headers` (a list of "
       "NAME or NAME:VALUE), `showHeaders`, and `redact` (false: with secrets, for admins only). "
       "Ends after 10 s without a GET",
       By(this, &TapResource::Open),
       {},
       kJsonBody},
      {"GET", "/v1/taps/{id}", Access::kReader,
       "Read the requests that have ended since the last call; waits up to 1 s for the first",
       By(this, &TapResource::Read)},
      {"DELETE", "/v1/taps/{id}", Access::kReader, "End a tap", By(this, &TapResource::Close)},
  };
}

ApiResponse TapResource::Open(const Call& call) {
  Json json;
  ApiResponse refusal;
  if (!ReadObject(call.request,
                  {"id", "service", "namespace", "method", "path", "source", "failed", "status",
                   "minMs", "maxMs", "headers", "showHeaders", "redact"},
                  &json, &refusal)) {
    return refusal;
  }
  const auto view = ReadView(call, json, &refusal);
  if (!view) return refusal;
  std::map<std::string, std::string> texts;
  Json fields = json;
  for (const char* name : {"headers", "showHeaders", "redact"}) fields.erase(name);
  if (!ReadTexts(fields, &texts, &refusal)) return refusal;
  auto filter = ReadFilter(texts, &refusal);
  if (!filter) return refusal;
  if (!ReadHeaders(json, *view != insight::v1::ALL_VALUES, &*filter, &refusal)) return refusal;
  filter->clear_limit();  // it would end the tap
  if (taps_ == nullptr) return Refuse(503, "no sidecars can be asked");
  const auto id = taps_->Open(*filter, *view, OwnerOf(call));
  if (!id.ok()) return Refuse(429, std::string(id.status().message()));
  const std::string watched = TextOf(texts) + TextOf(*filter, *view);
  ApiResponse response = Answer({{"id", *id}}, 201);
  response.event = call.caller.name + " taps " + watched + " (tap " + *id + ")";
  response.happened = {EventBy(call, "TapOpened", {"Credential", "", call.caller.name},
                               "watches requests: " + watched)};
  return response;
}

ApiResponse TapResource::Read(const Call& call) {
  if (taps_ == nullptr) return RefuseTap(call.arguments[0]);
  ApiResponse response;
  response.later = [taps = taps_, id = call.arguments[0],
                    owner = OwnerOf(call)](ApiResponse::Respond respond) {
    const bool is_open = taps->Read(
        id, owner, [respond](const insight::Taps::News& news) { respond(NewsAnswer(news)); });
    if (!is_open) respond(RefuseTap(id));
  };
  return response;
}

ApiResponse TapResource::Close(const Call& call) {
  const std::string& id = call.arguments[0];
  if (taps_ == nullptr || !taps_->Close(id, OwnerOf(call))) return RefuseTap(id);
  ApiResponse response = Answer({{"id", id}});
  response.event = call.caller.name + " has ended tap " + id;
  return response;
}

}  // namespace tulle::api
