// Records of requests and filters for them, in the API's JSON. Pure. For this package only.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "control-plane/api/answers.h"
#include "tulle/insight/v1/insight.pb.h"

namespace tulle::api {

inline constexpr uint32_t kMostRequests = 1000;
inline constexpr uint32_t kUsualRequests = 100;

// Names as in insight.proto, in lowerCamelCase; numbers are numbers. Texts and numbers that are not
// known are left out.
Json RequestJson(const insight::v1::RequestRecord& record);

// Texts by name: id, service, namespace, method, path, source, failed, status ("503" or
// "500-599"), minMs and limit. Absent or empty: all. Unset after *refusal was set.
std::optional<insight::v1::RequestFilter> ReadFilter(
    const std::map<std::string, std::string>& texts, ApiResponse* refusal);

}  // namespace tulle::api
