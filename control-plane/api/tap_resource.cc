#include <map>
#include <utility>

#include "control-plane/api/change_events.h"
#include "control-plane/api/live_resources.h"
#include "control-plane/api/request_json.h"
#include "control-plane/insight/taps.h"

namespace tulle::api {
namespace {

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
       "Watch requests as they end: fields as the parameters of /v1/requests. Ends after 10 s "
       "without a GET",
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
  if (!ReadObject(
          call.request,
          {"id", "service", "namespace", "method", "path", "source", "failed", "status", "minMs"},
          &json, &refusal)) {
    return refusal;
  }
  std::map<std::string, std::string> texts;
  if (!ReadTexts(json, &texts, &refusal)) return refusal;
  auto filter = ReadFilter(texts, &refusal);
  if (!filter) return refusal;
  filter->clear_limit();  // it would end the tap
  if (taps_ == nullptr) return Refuse(503, "no sidecars can be asked");
  const auto id = taps_->Open(*filter, call.caller.name);
  if (!id.ok()) return Refuse(429, std::string(id.status().message()));
  ApiResponse response = Answer({{"id", *id}}, 201);
  response.event = call.caller.name + " taps " + TextOf(texts) + " (tap " + *id + ")";
  response.happened = {EventBy(call, "TapOpened", {"Credential", "", call.caller.name},
                               "watches requests: " + TextOf(texts))};
  return response;
}

ApiResponse TapResource::Read(const Call& call) {
  if (taps_ == nullptr) return RefuseTap(call.arguments[0]);
  ApiResponse response;
  response.later = [taps = taps_, id = call.arguments[0],
                    caller = call.caller.name](ApiResponse::Respond respond) {
    const bool is_open = taps->Read(
        id, caller, [respond](const insight::Taps::News& news) { respond(NewsAnswer(news)); });
    if (!is_open) respond(RefuseTap(id));
  };
  return response;
}

ApiResponse TapResource::Close(const Call& call) {
  const std::string& id = call.arguments[0];
  if (taps_ == nullptr || !taps_->Close(id, call.caller.name)) return RefuseTap(id);
  ApiResponse response = Answer({{"id", id}});
  response.event = call.caller.name + " has ended tap " + id;
  return response;
}

}  // namespace tulle::api
