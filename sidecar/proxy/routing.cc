// The phases that find the route and apply its changes to the request.

#include <algorithm>

#include "sidecar/policy/authorization.h"
#include "sidecar/proxy/answer.h"
#include "sidecar/proxy/caller.h"
#include "sidecar/proxy/chain_match.h"
#include "sidecar/proxy/decisions.h"
#include "sidecar/proxy/failures.h"
#include "sidecar/proxy/http_chain.h"
#include "sidecar/proxy/phases.h"
#include "sidecar/proxy/services.h"
#include "sidecar/proxy/tunnel.h"
#include "sidecar/route/path.h"
#include "sidecar/route/rewrite.h"
#include "sidecar/route/upgrade.h"

namespace tulle::proxy {
namespace {

// A request to an unknown destination that is not allowed: the names that Istio's metrics use.
constexpr std::string_view kDeniedRoute = "block_all";
constexpr std::string_view kDeniedService = "BlackHoleCluster";

route::EscapedSlashes EscapedSlashesOf(const config::HttpSpec& spec) {
  switch (spec.escaped_slashes) {
    case config::EscapedSlashes::kKeep:
      break;
    case config::EscapedSlashes::kReject:
      return route::EscapedSlashes::kReject;
    case config::EscapedSlashes::kUnescapeAndRedirect:
      return route::EscapedSlashes::kRedirect;
    case config::EscapedSlashes::kUnescapeAndForward:
      return route::EscapedSlashes::kForward;
  }
  // An escape that the application undoes must not bypass a rule on paths.
  const auto asks_path = [](const auto& one) { return one->asks_path(); };
  const bool rules = std::any_of(spec.authorization.begin(), spec.authorization.end(), asks_path);
  return rules ? route::EscapedSlashes::kReject : route::EscapedSlashes::kKeep;
}

// A client may state any scheme: in cleartext it is http. HTTP/1 states none (RFC 9112 3.3), and
// TLS between sidecars carries http too, so there the port tells.
void CorrectScheme(http::Head& head, bool tls) {
  if (!tls && !head.scheme.empty()) head.scheme = "http";
  if (tls && head.scheme.empty() && head.authority.ends_with(":443")) head.scheme = "https";
}

// Methods are case-sensitive, and rules compare them so, but many applications are not: `delete`
// must not pass a rule on DELETE. No registered method has a lower-case letter, and over HTTP/1.1
// the codec refuses them.
bool HasLowerCase(std::string_view method) {
  return std::any_of(method.begin(), method.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

// Continues when the head has its normal form: the one that decisions are made on and that is
// forwarded.
Step Normalize(Call& call) {
  http::Head& head = *call.request.head;
  if (HasLowerCase(head.method)) return Fail(call, {FailureKind::kBadRequest, "method"});
  const std::optional<std::string_view> authority =
      route::NormalizeAuthority(head.authority, call.arena);
  if (!authority) return Fail(call, {FailureKind::kBadRequest, "authority"});
  head.authority = *authority;
  if (IsConnect(head)) return Step::Continue();  // it has neither scheme nor path
  CorrectScheme(head, call.caller.is_tls());
  const config::FilterChainSpec& chain = *call.chain.owner;
  if (!chain.names_elsewhere.empty() &&
      IsMisdirected(route::HostOf(head.authority), call.caller.sni(), chain.match.server_names,
                    chain.names_elsewhere)) {
    return Fail(call, {failures::kMisdirected});
  }
  const config::HttpSpec& spec = call.chain.spec;
  route::PathRules rules;
  rules.normalize = spec.normalize_path;
  rules.merge_slashes = spec.merge_slashes;
  rules.escaped_slashes = EscapedSlashesOf(spec);
  const route::NormalizedPath path = route::NormalizePath(head.path, rules, call.arena);
  if (path.verdict == route::PathVerdict::kRefused)
    return Fail(call, {FailureKind::kBadRequest, "path"});
  if (path.verdict == route::PathVerdict::kRedirected) return Redirect(call, 307, path.path);
  head.path = path.path;
  return Step::Continue();
}

void Choose(Call& call, const route::RouteMatch& match) {
  call.chosen.route = match.route;
  call.chosen.target = match.target;
  if (match.route == nullptr) return;
  call.record.routed.route = match.route->spec().name;
  call.record.routed.matched = match.route;
}

// A tunnel needs a route for it, so that no proxy is open by accident.
bool MayTunnel(const Call& call) {
  const route::Route* route = call.chosen.route;
  if (route == nullptr || route->path().spec().kind != route::PathKind::kConnect) return false;
  return route->forward() == nullptr || route->forward()->tunnel;
}

bool MayUpgrade(const Call& call) {
  if (IsConnect(*call.request.head)) return MayTunnel(call);
  const route::ForwardSpec* forward = call.chosen.forward();
  std::span<const route::UpgradeSpec> of_route;
  if (forward != nullptr) of_route = forward->upgrades;
  return route::MayUpgrade(call.request.head->upgrade, call.chain.spec.upgrades, of_route);
}

void RewriteRequest(Call& call) {
  const route::Route& route = *call.chosen.route;
  const route::Route::Target& target = *call.chosen.target;
  const route::ForwardSpec& forward = *route.forward();
  http::Head& head = *call.request.head;
  head.path = route::RewrittenPath(route, head.path, call.arena);
  const std::string& host =
      target.host_rewrite.empty() ? forward.host_rewrite : target.host_rewrite;
  if (!host.empty()) {
    if (forward.append_forwarded_host) head.headers.Set("x-forwarded-host", head.authority);
    head.authority = host;
  }
  route::Apply(target.request_headers, head.headers);
}

Step RespondDirectly(Call& call, const route::DirectResponseSpec& direct) {
  if (call.record.routed.route == kDeniedRoute) call.record.routed.service = kDeniedService;
  return Respond(call, direct.status, direct.body, {failures::OfRoute(direct.cause)});
}

}  // namespace

Step MatchRoute(Call& call) {
  http::Head& head = *call.request.head;
  if (IsConnect(head)) {
    if (head.version == http::Version::kHttp2) return Fail(call, {failures::kUpgradeRefused});
    head.upgrade = {};
  }
  if (const Step step = Normalize(call); step.kind() != Step::Kind::kContinue) return step;
  ChosenRoute& chosen = call.chosen;
  chosen.table = call.chain.routes->table;
  if (!chosen.table)
    return Fail(call, {failures::kNoRoute, "the route configuration has not arrived yet"});
  // Only our own workload may set these: on all but outbound chains others call.
  if (call.chain.direction != config::Direction::kOutbound) {
    for (const std::string& name : chosen.table->internal_only_headers()) head.headers.Remove(name);
  }
  const uint64_t random = call.services.loop.random().Next();
  const route::RouteMatch match = chosen.table->Match(head, random);
  Choose(call, match);
  const bool upgrades = head.upgrade_wanted || IsConnect(head);
  if (upgrades && !MayUpgrade(call)) return Fail(call, {failures::kUpgradeRefused});
  return Step::Continue();
}

Step Prepare(Call& call) {
  const route::Route* route = call.chosen.route;
  if (route == nullptr) return Fail(call, {failures::kNoRoute});
  const http::Head& head = *call.request.head;
  const bool tls = call.caller.is_tls();
  if (route->virtual_host().spec().require_tls && !tls)
    return Redirect(call, 301, call.arena.Concat("https://", head.authority, head.path));
  if (route->redirect() != nullptr) {
    return Redirect(call, route->redirect()->status,
                    route::RedirectLocation(*route, head, tls ? "https" : "http", call.arena));
  }
  if (const route::DirectResponseSpec* direct = route->direct_response())
    return RespondDirectly(call, *direct);
  call.record.routed.cluster = call.chosen.target->cluster;
  RewriteRequest(call);
  if (const auto& retry = route->forward()->retry) call.retries.Allow(retry->attempts_after_first);
  return Step::Continue();
}

}  // namespace tulle::proxy
