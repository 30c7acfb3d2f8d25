// Reads requests and makes responses, for every resource of the API. Pure. For this package only.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "control-plane/api/api.h"
#include "control-plane/policy/problem.h"

namespace tulle::api {

using Json = nlohmann::json;

// Bytes that are not UTF-8 are replaced.
std::string Dump(const Json& json);
ApiResponse Answer(const Json& json, int status = 200);
ApiResponse Refuse(int status, std::string_view error, std::string_view hint = "",
                   std::string_view field = "");
ApiResponse Refuse(const absl::Status& status);
ApiResponse Refuse(const policy::Problems& problems);

// "unknown kind \"NAME\"", 404.
ApiResponse RefuseKind(const std::string& kind);

// "proxy NAME not found", 404.
ApiResponse RefuseProxy(const std::string& name);
// Too many questions are being asked, 503.
ApiResponse RefuseQuestion();

// The Read functions return false after they have set *refusal.
// The body as a JSON object of these fields.
bool ReadObject(const ApiRequest& request, std::initializer_list<std::string_view> fields,
                Json* json, ApiResponse* refusal);
// A query parameter that is true or false. Defaults to false.
bool ReadFlag(const ApiRequest& request, const std::string& name, bool* flag, ApiResponse* refusal);
// An optional field; if it is set it must be text.
bool ReadText(const Json& json, const char* field, std::string* text, ApiResponse* refusal);
// An optional field; if it is set it must be a number of seconds up to ten years.
bool ReadSeconds(const Json& json, const char* field, int64_t* seconds, ApiResponse* refusal);

// RFC 3339 in UTC: "2026-11-21T15:04:05Z".
std::string UtcTime(int64_t seconds);

}  // namespace tulle::api
