// One row of the API's table of routes: how a request is recognised, who may send it, what answers
// it and how OpenAPI describes it. For this package only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "control-plane/api/api.h"

namespace tulle::api {

struct Call {
  const ApiRequest& request;
  std::vector<std::string> arguments;  // values of the {names} in the route's path, in order
  Principal caller;
  int64_t now = 0;

  std::string QueryOr(const std::string& name, const std::string& fallback) const {
    const auto found = request.query.find(name);
    return found == request.query.end() ? fallback : found->second;
  }
};

enum class Access {
  kOpen,    // no credential is needed
  kReader,  // any credential
  kAdmin,
  kAdminCredential  // not the token of a service account
};

struct QueryParameter {
  std::string_view name;
  std::string_view description;
};

struct Route {
  std::string_view method;
  std::string_view path;  // "/v1/proxies/{name}": {} stands for one segment
  Access access;
  std::string_view summary;  // for OpenAPI
  std::function<ApiResponse(const Call&)> answer;
  std::vector<QueryParameter> query = {};
  std::string_view body = "";  // media type of the request's body; empty: there is none
};

using Routes = std::vector<Route>;

inline constexpr std::string_view kJsonBody = "application/json";
inline constexpr std::string_view kYamlBody = "application/yaml";
inline constexpr QueryParameter kDryRun = {"dryRun",
                                           "`true`: report what would change, change nothing"};

// A route's answer, by a method of the resource.
template <typename Resource>
std::function<ApiResponse(const Call&)> By(Resource* resource,
                                           ApiResponse (Resource::*method)(const Call&)) {
  return [=](const Call& call) { return (resource->*method)(call); };
}

// Visited in one turn of the loop: some milliseconds, of several hundred for ten thousand.
inline constexpr size_t kProxiesPerTurn = 64;

// The description of all routes, and of the policies that they take.
ApiResponse OpenApiOf(const Routes& routes, const std::string& version);

}  // namespace tulle::api
