#include "control-plane/cli/page_login.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "control-plane/ca/join_token.h"

namespace tulle::cli {
namespace {

constexpr std::string_view kBearer = "Bearer ";
constexpr std::string_view kTaps = "/v1/taps";

// Itself, and what is below it.
bool IsAt(std::string_view path, std::string_view place) {
  return path == place || (path.starts_with(place) && path[place.size()] == '/');
}

// The id of a tap; with several replicas, each pod and its id: "pod-a=1-ab,pod-b=1-cd".
bool IsTap(std::string_view id) {
  return !id.empty() && id.find("..") == id.npos &&
         std::all_of(id.begin(), id.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '.' || c == ',' || c == '=' || c == '-';
         });
}

}  // namespace

std::string PageLogin::NewCode(int64_t now) {
  const std::string code = ca::NewSecret(keys_);
  code_hash_ = ca::HashOfSecret(code);
  code_until_ = now + kCodeSeconds;
  return code;
}

std::optional<std::string> PageLogin::Redeem(std::string_view code, int64_t now) {
  const bool is_right = !code_hash_.empty() && now < code_until_ &&
                        ca::EqualInConstantTime(code_hash_, ca::HashOfSecret(code));
  if (!is_right) return std::nullopt;
  code_hash_.clear();
  std::string token = ca::NewSecret(keys_);
  token_hash_ = ca::HashOfSecret(token);
  token_until_ = now + kSessionSeconds;
  return token;
}

bool PageLogin::IsOfSession(std::string_view authorization, int64_t now) const {
  if (token_hash_.empty() || now >= token_until_ || !authorization.starts_with(kBearer))
    return false;
  return ca::EqualInConstantTime(token_hash_,
                                 ca::HashOfSecret(authorization.substr(kBearer.size())));
}

bool PageLogin::IsOfPage(const api::ApiRequest& request) const {
  const bool is_of_its_origin = request.origin.empty() || request.origin == "http://" + authority_;
  return request.host == authority_ && is_of_its_origin;
}

bool IsPlainPath(std::string_view path) {
  if (!path.starts_with('/') || path.find('\\') != path.npos) return false;
  for (path.remove_prefix(1); !path.empty();) {
    const std::string_view segment = path.substr(0, path.find('/'));
    if (segment.empty() || segment == "." || segment == "..") return false;
    path.remove_prefix(std::min(segment.size() + 1, path.size()));
  }
  return true;
}

bool IsForPage(std::string_view method, std::string_view path) {
  constexpr std::string_view kRead[] = {
      "/v1/check",    "/v1/failures", "/v1/history", "/v1/policies", "/v1/proxies",  "/v1/requests",
      "/v1/services", "/v1/traces",   "/v1/traffic", "/v1/version",  "/v1/workloads"};
  if (path == kTaps) return method == "POST";
  if (IsAt(path, kTaps)) {
    return IsTap(path.substr(kTaps.size() + 1)) && (method == "GET" || method == "DELETE");
  }
  return method == "GET" && std::any_of(std::begin(kRead), std::end(kRead),
                                        [&](std::string_view place) { return IsAt(path, place); });
}

bool IsTapForPage(std::string_view body) {
  const auto json = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
  return json.is_object() && !json.contains("redact");
}

}  // namespace tulle::cli
