// What every handler of the API needs. For this package only.
#pragma once

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "control-plane/api/api.h"
#include "control-plane/policy/problem.h"

namespace tulle::api {

using Json = nlohmann::json;

struct Api::Call {
  const ApiRequest& request;
  std::vector<std::string> arguments;  // what the {} of the route stand for
  Principal caller;
  int64_t now = 0;

  std::string QueryOr(const std::string& name, const std::string& fallback) const {
    const auto found = request.query.find(name);
    return found == request.query.end() ? fallback : found->second;
  }
};

ApiResponse Answer(const Json& json, int status = 200);
ApiResponse Refuse(int status, std::string_view error, std::string_view hint = "",
                   std::string_view field = "");
ApiResponse Refuse(const absl::Status& status);
ApiResponse Refuse(const policy::Problems& problems);

// The body as a JSON object of these fields; false after having set *refusal.
bool ReadObject(const ApiRequest& request, std::initializer_list<std::string_view> fields,
                Json* json, ApiResponse* refusal);
// A query parameter that is true or false; absent it is false.
bool ReadFlag(const ApiRequest& request, const std::string& name, bool* flag, ApiResponse* refusal);
// A field that must be text if it is there.
bool ReadText(const Json& json, const char* field, std::string* text, ApiResponse* refusal);
bool ReadSeconds(const Json& json, const char* field, int64_t* seconds, ApiResponse* refusal);

}  // namespace tulle::api
