// The explanation of one request as a JSON document, from the records that sidecars have of it: the
// answer of GET /v1/requests/{id}/explanation, and `tullectl explain ID -o json`. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "control-plane/diagnosis/hops.h"
#include "control-plane/diagnosis/verdict.h"

namespace tulle::diagnosis {

// Limit of GET /v1/requests for what is to be explained.
inline constexpr std::string_view kMostHops = "200";

// "GET cart.shop/items: 403 UAEX denied". At least one hop.
std::string TitleOf(const std::vector<Hop>& hops);
// "hop 2: the sidecar of cart.shop answered 403, because ...", or why there is no verdict.
std::string ResultOf(const std::vector<Hop>& hops, const Verdict& verdict);

// `found`: an answer of GET /v1/requests. Empty "hops": no sidecar knows the request.
Json ExplanationOf(const Json& found);

// Why there is no explanation.
struct Unknown {
  std::string error;
  std::string hint;
};
Unknown UnknownRequest(const std::string& id, const Json& found);

}  // namespace tulle::diagnosis
