// Which route, and what it makes of the request and the response.

#include <algorithm>
#include <charconv>

#include "sidecar/policy/authorization.h"
#include "sidecar/proxy/chain_match.h"
#include "sidecar/proxy/downstream_connection.h"
#include "sidecar/proxy/exchange.h"
#include "sidecar/route/hash_policy.h"
#include "sidecar/route/path.h"
#include "sidecar/route/rewrite.h"
#include "sidecar/upstream/cluster.h"

namespace tulle::proxy {
namespace {

using http::HeaderId;

// What is refused because its destination is unknown, by the names that Istio's metrics have for
// it.
constexpr std::string_view kDeniedRoute = "block_all";
constexpr std::string_view kDeniedService = "BlackHoleCluster";

route::PathRules PathRulesOf(const config::HttpSpec& spec) {
  route::PathRules rules;
  rules.normalize = spec.normalize_path;
  rules.merge_slashes = spec.merge_slashes;
  switch (spec.escaped_slashes) {
    case config::EscapedSlashes::kKeep:
      rules.escaped_slashes = route::EscapedSlashes::kKeep;
      break;
    case config::EscapedSlashes::kReject:
      rules.escaped_slashes = route::EscapedSlashes::kReject;
      break;
    case config::EscapedSlashes::kUnescapeAndRedirect:
      rules.escaped_slashes = route::EscapedSlashes::kRedirect;
      break;
    case config::EscapedSlashes::kUnescapeAndForward:
      rules.escaped_slashes = route::EscapedSlashes::kForward;
      break;
  }
  // A rule on paths must not be led past by an escape that the application undoes.
  const auto asks_path = [](const auto& one) { return one->asks_path(); };
  if (rules.escaped_slashes == route::EscapedSlashes::kKeep &&
      std::any_of(spec.authorization.begin(), spec.authorization.end(), asks_path)) {
    rules.escaped_slashes = route::EscapedSlashes::kReject;
  }
  return rules;
}

}  // namespace

Step Exchange::MatchRoute() {
  if (request_->method == "CONNECT") return Respond({FailureKind::kUpgradeRefused});
  const std::optional<std::string_view> authority =
      route::NormalizeAuthority(request_->authority, arena_);
  if (!authority) return Respond({FailureKind::kBadRequest, "authority"});
  request_->authority = *authority;
  const config::FilterChainSpec& chain = *chain_.owner;
  if (!chain.names_elsewhere.empty() &&
      IsMisdirected(route::HostOf(request_->authority), connection_.sni(), chain.match.server_names,
                    chain.names_elsewhere)) {
    return Respond({FailureKind::kMisdirected});
  }
  const route::NormalizedPath path =
      route::NormalizePath(request_->path, PathRulesOf(chain_.spec), arena_);
  if (path.verdict == route::PathVerdict::kRefused)
    return Respond({FailureKind::kBadRequest, "path"});
  if (path.verdict == route::PathVerdict::kRedirected) {
    Reply(307, {}, path.path);
    Finish();
    return Step::kContinue;
  }
  request_->path = path.path;
  table_ = chain_.routes->table;
  if (!table_) return Respond({FailureKind::kNoRoute, "the route configuration has not come yet"});
  // Only our own workload may say these; inbound, and where it is not known, others call.
  if (chain_.direction != config::Direction::kOutbound) {
    for (const std::string& name : table_->internal_only_headers()) request_->headers.Remove(name);
  }
  const route::RouteMatch match = table_->Match(*request_, services_.loop.random().Next());
  route_ = match.route;
  target_ = match.target;
  if (route_ != nullptr) {
    record_.route = route_->spec().name;
    record_.operation = route_->spec().operation;
  }
  StartStreamTimeouts();
  if (request_->upgrade_wanted && UpgradeRefused()) return Respond({FailureKind::kUpgradeRefused});
  return Step::kContinue;
}

Step Exchange::Prepare() {
  if (const Step step = FailOnPurpose(); step != Step::kContinue) return step;
  if (route_ == nullptr) return Respond({FailureKind::kNoRoute});
  if (route_->virtual_host().spec().require_tls && !connection_.is_tls()) {
    Reply(301, {}, arena_.Concat("https://", request_->authority, request_->path));
    Finish();
    return Step::kContinue;
  }
  if (route_->redirect() != nullptr) {
    const std::string_view scheme = connection_.is_tls() ? "https" : "http";
    Reply(route_->redirect()->status, {},
          route::RedirectLocation(*route_, *request_, scheme, arena_));
    Finish();
    return Step::kContinue;
  }
  if (const route::DirectResponseSpec* direct = route_->direct_response()) {
    if (record_.route == kDeniedRoute) record_.service = kDeniedService;
    Reply(direct->status, direct->body, {});
    Finish();
    return Step::kContinue;
  }
  record_.cluster = target_->cluster;
  RewriteRequest();
  return Step::kContinue;
}

void Exchange::RewriteRequest() {
  const route::ForwardSpec& forward = *route_->forward();
  request_->path = route::RewrittenPath(*route_, request_->path, arena_);
  const std::string& host =
      target_->host_rewrite.empty() ? forward.host_rewrite : target_->host_rewrite;
  if (!host.empty()) {
    if (forward.append_forwarded_host)
      request_->headers.Set("x-forwarded-host", request_->authority);
    request_->authority = host;
  }
  route::Apply(target_->request_headers, request_->headers);
  if (forward.retry) retries_.Allow(forward.retry->attempts_after_first);
}

void Exchange::RewriteResponse() {
  if (route_ != nullptr && cluster_ != nullptr && !route_->forward()->hash.empty() &&
      cluster_->spec().balancing == upstream::Balancing::kRingHash) {
    route::AddCookies(route_->forward()->hash, *request_, FreshCookie(), response_->headers);
  }
  if (target_ != nullptr) route::Apply(target_->response_headers, response_->headers);
  response_->headers.Set(HeaderId::kServer, chain_.spec.server_name);
  if (!chain_.spec.via.empty()) AddVia(response_->headers);
  if (limit_told_) {
    response_->headers.Set("x-ratelimit-limit", Decimal(limit_told_->limit));
    response_->headers.Set("x-ratelimit-remaining", Decimal(limit_told_->remaining));
    response_->headers.Set("x-ratelimit-reset", Decimal(limit_told_->reset_seconds));
  }
  if (chain_.spec.request_id_in_response && request_ != nullptr)
    response_->headers.Set(HeaderId::kXRequestId, request_->headers.Get(HeaderId::kXRequestId));
  if (route_ == nullptr || !route_->virtual_host().spec().attempt_count_in_response) return;
  response_->headers.Set(HeaderId::kXEnvoyAttemptCount, Decimal(record_.attempts));
}

std::string_view Exchange::Decimal(uint64_t value) {
  char text[20];
  const char* end = std::to_chars(text, text + sizeof text, value).ptr;
  return arena_.Copy({text, static_cast<size_t>(end - text)});
}

}  // namespace tulle::proxy
