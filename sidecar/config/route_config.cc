// Converts route configurations: virtual hosts, routes, actions and per-route settings.
#include "sidecar/config/route_config.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "sidecar/config/limit_config.h"
#include "sidecar/config/retry_config.h"
#include "sidecar/config/upgrade_config.h"

namespace tulle::config {
namespace {

namespace route_v3 = envoy::config::route::v3;
namespace core = envoy::config::core::v3;

constexpr size_t kMaxDirectBody = 4096;

// A value is literal except for "%%"; Envoy's substitutions are not implemented.
absl::StatusOr<std::string> Literal(const std::string& value, const FieldPath& at) {
  std::string text;
  for (size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '%' && (i + 1 == value.size() || value[++i] != '%')) {
      return at.Error("substitution by %...% is not implemented in headers: write %% for a '%'");
    }
    text.push_back(value[i]);
  }
  return text;
}

route::HeaderAction ActionOf(const core::HeaderValueOption& option) {
  if (option.has_append()) {
    return option.append().value() ? route::HeaderAction::kAppend : route::HeaderAction::kSet;
  }
  switch (option.append_action()) {
    case core::HeaderValueOption::ADD_IF_ABSENT:
      return route::HeaderAction::kAddIfAbsent;
    case core::HeaderValueOption::OVERWRITE_IF_EXISTS_OR_ADD:
      return route::HeaderAction::kSet;
    case core::HeaderValueOption::OVERWRITE_IF_EXISTS:
      return route::HeaderAction::kReplaceIfExists;
    default:
      return route::HeaderAction::kAppend;
  }
}

template <typename Names, typename Options>
absl::StatusOr<route::HeaderMutations> ToMutations(const Names& removed, const Options& added,
                                                   const FieldPath& at) {
  route::HeaderMutations mutations;
  for (const std::string& name : removed) {
    mutations.push_back({route::HeaderAction::kRemove, absl::AsciiStrToLower(name), ""});
  }
  for (int i = 0; i < added.size(); ++i) {
    const core::HeaderValueOption& option = added[i];
    const FieldPath here = at[static_cast<size_t>(i)];
    auto value = Literal(option.header().value(), here / "header.value");
    if (!value.ok()) return value.status();
    if (value->empty() && !option.keep_empty_value()) continue;
    mutations.push_back(
        {ActionOf(option), absl::AsciiStrToLower(option.header().key()), *std::move(value)});
    if (auto status = CheckMutation(mutations.back()); !status.ok()) {
      return (here / "header").Error(status);
    }
  }
  return mutations;
}

// Messages of all levels use these field names.
template <typename Message, typename Spec>
absl::Status ReadMutations(const Message& message, const FieldPath& at, Spec& spec) {
  auto request = ToMutations(message.request_headers_to_remove(), message.request_headers_to_add(),
                             at / "request_headers_to_add");
  if (!request.ok()) return request.status();
  auto response = ToMutations(message.response_headers_to_remove(),
                              message.response_headers_to_add(), at / "response_headers_to_add");
  if (!response.ok()) return response.status();
  spec.request_headers = *std::move(request);
  spec.response_headers = *std::move(response);
  return absl::OkStatus();
}

bool IsHarmless(const std::string& type) {
  return type.find(".filters.http.cors.") != std::string::npos ||
         type.find(".filters.http.grpc_stats.") != std::string::npos;
}

// Filters that may be configured per route, as far as Tulle has them. Others are refused, except
// those without effect. The innermost level takes precedence.
struct FilterOverrides {
  std::shared_ptr<policy::FaultInjection> fault;
  std::map<std::string, std::shared_ptr<policy::LocalRateLimit>> limits;
};

template <typename Configs>
absl::Status ReadOverrides(const Configs& configs, const FieldPath& at,
                           FilterOverrides& overrides) {
  for (const auto& [name, config] : configs) {
    const FieldPath here = (at / "typed_per_filter_config").Key(name);
    envoy::extensions::filters::http::fault::v3::HTTPFault fault;
    envoy::extensions::filters::http::local_ratelimit::v3::LocalRateLimit limit;
    if (config.UnpackTo(&fault)) {
      auto made = ToFault(fault, here);
      if (!made.ok()) return made.status();
      overrides.fault = *std::move(made);
    } else if (config.UnpackTo(&limit)) {
      auto made = ToRateLimit(limit, here);
      if (!made.ok()) return made.status();
      overrides.limits[name] = *std::move(made);
    } else if (!IsHarmless(config.type_url())) {
      return here.Error("this filter is not implemented per route: configure it on the listener");
    }
  }
  return absl::OkStatus();
}

absl::Status ReadPath(const route_v3::RouteMatch& match, const FieldPath& at,
                      route::PathSpec& path) {
  path.ignore_case = match.has_case_sensitive() && !match.case_sensitive().value();
  switch (match.path_specifier_case()) {
    case route_v3::RouteMatch::kPrefix:
      path.kind = route::PathKind::kPrefix;
      path.text = match.prefix();
      break;
    case route_v3::RouteMatch::kPath:
      path.kind = route::PathKind::kExact;
      path.text = match.path();
      break;
    case route_v3::RouteMatch::kPathSeparatedPrefix:
      path.kind = route::PathKind::kSeparatedPrefix;
      path.text = match.path_separated_prefix();
      break;
    case route_v3::RouteMatch::kSafeRegex:
      path.kind = route::PathKind::kRegex;
      path.text = match.safe_regex().regex();
      break;
    case route_v3::RouteMatch::kConnectMatcher:
      path.kind = route::PathKind::kConnect;
      break;
    default:
      return at.Error(
          "needs one of prefix, path, path_separated_prefix, safe_regex, connect_matcher");
  }
  const auto compiled = route::PathMatch::Compile(path);
  return compiled.ok() ? absl::OkStatus() : at.Error(compiled.status());
}

absl::StatusOr<route::Fraction> ToFraction(const envoy::type::v3::FractionalPercent& percent) {
  using envoy::type::v3::FractionalPercent;
  const uint32_t denominator = percent.denominator() == FractionalPercent::MILLION        ? 1000000
                               : percent.denominator() == FractionalPercent::TEN_THOUSAND ? 10000
                                                                                          : 100;
  return route::Fraction{percent.numerator(), denominator};
}

absl::Status ReadQuery(const route_v3::QueryParameterMatcher& matcher, const FieldPath& at,
                       route::MatchSpec& spec) {
  route::QuerySpec query;
  query.name = matcher.name();
  if (query.name.empty()) return (at / "name").Error("is required");
  if (matcher.has_string_match()) {
    auto string = ToString(matcher.string_match(), at / "string_match");
    if (!string.ok()) return string.status();
    query.value = *std::move(string);
  } else if (matcher.query_parameter_match_specifier_case() ==
             route_v3::QueryParameterMatcher::kPresentMatch) {
    query.present = matcher.present_match();
  }
  spec.query.push_back(std::move(query));
  return absl::OkStatus();
}

absl::Status ReadMatch(const route_v3::RouteMatch& match, const FieldPath& at,
                       route::MatchSpec& spec) {
  if (auto status = ReadPath(match, at, spec.path); !status.ok()) return status;
  for (int i = 0; i < match.headers_size(); ++i) {
    auto header = ToHeader(match.headers(i), (at / "headers")[static_cast<size_t>(i)]);
    if (!header.ok()) return header.status();
    spec.headers.push_back(*std::move(header));
  }
  for (int i = 0; i < match.query_parameters_size(); ++i) {
    const FieldPath here = (at / "query_parameters")[static_cast<size_t>(i)];
    const auto status = ReadQuery(match.query_parameters(i), here, spec);
    if (!status.ok()) return status;
  }
  spec.grpc_only = match.has_grpc();
  if (match.has_runtime_fraction()) {
    auto fraction = ToFraction(match.runtime_fraction().default_value());
    if (!fraction.ok()) return fraction.status();
    spec.fraction = *fraction;
  }
  return absl::OkStatus();
}

absl::Status ReadClusters(const route_v3::RouteAction& action, const FieldPath& at,
                          route::ForwardSpec& spec) {
  if (action.cluster_specifier_case() == route_v3::RouteAction::kCluster) {
    route::WeightedCluster only;
    only.name = action.cluster();
    spec.clusters.push_back(std::move(only));
    return absl::OkStatus();
  }
  if (!action.has_weighted_clusters()) return at.Error("needs cluster or weighted_clusters");
  const auto& clusters = action.weighted_clusters().clusters();
  for (int i = 0; i < clusters.size(); ++i) {
    const FieldPath here = (at / "weighted_clusters.clusters")[static_cast<size_t>(i)];
    route::WeightedCluster cluster;
    cluster.name = clusters[i].name();
    cluster.weight = clusters[i].has_weight() ? clusters[i].weight().value() : 0;
    cluster.host_rewrite = clusters[i].host_rewrite_literal();
    auto status = ReadMutations(clusters[i], here, cluster);
    if (!clusters[i].typed_per_filter_config().empty()) {
      return (here / "typed_per_filter_config")
          .Error("is not implemented for one of several clusters: configure it on the route");
    }
    if (!status.ok()) return status;
    spec.clusters.push_back(std::move(cluster));
  }
  return absl::OkStatus();
}

absl::Status ReadCookie(const route_v3::RouteAction::HashPolicy::Cookie& cookie,
                        const FieldPath& at, route::HashSpec& hash) {
  hash.kind = route::HashSpec::Kind::kCookie;
  hash.name = cookie.name();
  hash.path = cookie.path();
  if (hash.name.empty()) return (at / "name").Error("is required");
  std::optional<Milliseconds> ttl;
  TULLE_READ_MILLISECONDS(cookie, ttl, at, ttl);
  if (ttl) hash.ttl = std::chrono::ceil<std::chrono::seconds>(*ttl);
  for (const auto& attribute : cookie.attributes()) {
    absl::StrAppend(&hash.attributes, "; ", attribute.name(), attribute.value().empty() ? "" : "=",
                    attribute.value());
  }
  for (const std::string* text : {&hash.name, &hash.path, &hash.attributes}) {
    if (text->find_first_of("\r\n") != std::string::npos)
      return at.Error("must not contain a line break");
  }
  return absl::OkStatus();
}

absl::Status ReadHash(const route_v3::RouteAction& action, const FieldPath& at,
                      route::ForwardSpec& spec) {
  for (int i = 0; i < action.hash_policy_size(); ++i) {
    const auto& policy = action.hash_policy(i);
    const FieldPath here = (at / "hash_policy")[static_cast<size_t>(i)];
    route::HashSpec hash;
    hash.terminal = policy.terminal();
    if (policy.has_header()) {
      hash.kind = route::HashSpec::Kind::kHeader;
      hash.name = absl::AsciiStrToLower(policy.header().header_name());
    } else if (policy.has_cookie()) {
      const auto status = ReadCookie(policy.cookie(), here / "cookie", hash);
      if (!status.ok()) return status;
    } else if (policy.has_query_parameter()) {
      hash.kind = route::HashSpec::Kind::kQueryParameter;
      hash.name = policy.query_parameter().name();
    } else if (policy.connection_properties().source_ip()) {
      hash.kind = route::HashSpec::Kind::kSourceIp;
    } else {
      continue;
    }
    spec.hash.push_back(std::move(hash));
  }
  return absl::OkStatus();
}

absl::Status ReadTimes(const route_v3::RouteAction& action, const FieldPath& at,
                       route::ForwardSpec& spec) {
  TULLE_READ_MILLISECONDS(action, timeout, at, spec.timeout);
  TULLE_READ_MILLISECONDS(action, idle_timeout, at, spec.idle_timeout);
  if (!action.has_max_stream_duration()) return absl::OkStatus();
  const auto& duration = action.max_stream_duration();
  const FieldPath here = at / "max_stream_duration";
  TULLE_READ_MILLISECONDS(duration, max_stream_duration, here, spec.max_stream_duration);
  TULLE_READ_MILLISECONDS(duration, grpc_timeout_header_max, here, spec.grpc_timeout_max);
  TULLE_READ_MILLISECONDS(duration, grpc_timeout_header_offset, here, spec.grpc_timeout_offset);
  return absl::OkStatus();
}

int NotFoundStatus(const route_v3::RouteAction& action) {
  switch (action.cluster_not_found_response_code()) {
    case route_v3::RouteAction::NOT_FOUND:
      return 404;
    case route_v3::RouteAction::INTERNAL_SERVER_ERROR:
      return 500;
    default:
      return 503;
  }
}

std::optional<route::RegexRewrite> ToRewrite(
    bool present, const envoy::type::matcher::v3::RegexMatchAndSubstitute& rewrite) {
  if (!present) return std::nullopt;
  return route::RegexRewrite{rewrite.pattern().regex(), rewrite.substitution()};
}

// The innermost level that sets mirrors wins; a mirror's own trace sampling is not supported.
template <typename Policies>
absl::Status ReadMirrors(const Policies& policies, const FieldPath& at, route::ForwardSpec& spec) {
  constexpr int kMax = 2;
  if (policies.size() > kMax) return at.Error("must have at most 2 mirrors");
  for (int i = 0; i < policies.size(); ++i) {
    route::MirrorSpec mirror;
    mirror.cluster = policies[i].cluster();
    if (mirror.cluster.empty()) return at[static_cast<size_t>(i)].Error("needs cluster");
    if (policies[i].has_runtime_fraction()) {
      auto fraction = ToFraction(policies[i].runtime_fraction().default_value());
      if (!fraction.ok()) return fraction.status();
      mirror.fraction = *fraction;
    }
    mirror.append_shadow = !policies[i].disable_shadow_host_suffix_append();
    mirror.host_rewrite = policies[i].host_rewrite_literal();
    spec.mirrors.push_back(std::move(mirror));
  }
  return absl::OkStatus();
}

absl::StatusOr<route::ForwardSpec> ToForward(const route_v3::RouteAction& action,
                                             const route_v3::VirtualHost& host, const FieldPath& at,
                                             std::vector<std::string>* notes) {
  route::ForwardSpec spec;
  auto status = ReadClusters(action, at, spec);
  status.Update(ReadTimes(action, at, spec));
  status.Update(ToUpgrades(action.upgrade_configs(), at / "upgrade_configs", spec.upgrades));
  status.Update(CheckTunnel(action, at / "upgrade_configs", &spec.tunnel));
  const bool own = !action.request_mirror_policies().empty();
  status.Update(ReadMirrors(own ? action.request_mirror_policies() : host.request_mirror_policies(),
                            at / "request_mirror_policies", spec));
  if (!status.ok()) return status;
  spec.prefix_rewrite = action.prefix_rewrite();
  spec.regex_rewrite = ToRewrite(action.has_regex_rewrite(), action.regex_rewrite());
  if (!spec.prefix_rewrite.empty() && spec.regex_rewrite) {
    return at.Error("prefix_rewrite and regex_rewrite are mutually exclusive");
  }
  spec.host_rewrite = action.host_rewrite_literal();
  spec.append_forwarded_host = action.append_x_forwarded_host();
  spec.cluster_not_found_status = NotFoundStatus(action);
  if (auto hashed = ReadHash(action, at, spec); !hashed.ok()) return hashed;
  if (action.has_retry_policy() || host.has_retry_policy()) {
    auto retry = ToRetry(action.has_retry_policy() ? action.retry_policy() : host.retry_policy(),
                         at / "retry_policy", notes);
    if (!retry.ok()) return retry.status();
    spec.retry = *std::move(retry);
  }
  return spec;
}

int StatusOf(route_v3::RedirectAction::RedirectResponseCode code) {
  switch (code) {
    case route_v3::RedirectAction::FOUND:
      return 302;
    case route_v3::RedirectAction::SEE_OTHER:
      return 303;
    case route_v3::RedirectAction::TEMPORARY_REDIRECT:
      return 307;
    case route_v3::RedirectAction::PERMANENT_REDIRECT:
      return 308;
    default:
      return 301;
  }
}

absl::StatusOr<route::RedirectSpec> ToRedirect(const route_v3::RedirectAction& action,
                                               const FieldPath& at) {
  route::RedirectSpec spec;
  spec.status = StatusOf(action.response_code());
  spec.scheme = action.https_redirect() ? "https" : action.scheme_redirect();
  spec.host = action.host_redirect();
  if (action.port_redirect() > 65535) return (at / "port_redirect").Error("must be 0 to 65535");
  spec.port = action.port_redirect();
  spec.path = action.path_redirect();
  spec.prefix_rewrite = action.prefix_rewrite();
  spec.regex_rewrite = ToRewrite(action.has_regex_rewrite(), action.regex_rewrite());
  spec.strip_query = action.strip_query();
  return spec;
}

// What an error of the route's own stands for: metadata.filter_metadata.tulle.cause.
std::string OwnCause(const route_v3::Route& route) {
  const auto own = route.metadata().filter_metadata().find("tulle");
  if (own == route.metadata().filter_metadata().end()) return "";
  const auto cause = own->second.fields().find("cause");
  return cause == own->second.fields().end() ? "" : cause->second.string_value();
}

absl::StatusOr<route::DirectResponseSpec> ToDirectResponse(const route_v3::Route& route,
                                                           const FileReader& files,
                                                           const FieldPath& at) {
  const route_v3::DirectResponseAction& action = route.direct_response();
  route::DirectResponseSpec spec;
  spec.cause = OwnCause(route);
  if (action.status() < 200 || action.status() > 599) {
    return (at / "status").Error("must be 200 to 599");
  }
  spec.status = static_cast<int>(action.status());
  if (action.has_body()) {
    auto body = ReadSource(action.body(), files, at / "body");
    if (!body.ok()) return body.status();
    if (body->size() > kMaxDirectBody) return (at / "body").Error("must be at most 4096 bytes");
    spec.body = *std::move(body);
  }
  return spec;
}

class Conversion {
 public:
  Conversion(const FileReader& files, std::vector<std::string>* notes)
      : files_(files), notes_(notes) {}

  absl::StatusOr<route::RouteTableSpec> Table(const route_v3::RouteConfiguration& config,
                                              const FieldPath& at) {
    route::RouteTableSpec spec;
    spec.name = config.name();
    spec.most_specific_mutations_win = config.most_specific_header_mutations_wins();
    spec.ignore_port = config.ignore_port_in_host_matching();
    spec.internal_only_headers.assign(config.internal_only_headers().begin(),
                                      config.internal_only_headers().end());
    auto status = ReadMutations(config, at, spec);
    FilterOverrides overrides;
    status.Update(ReadOverrides(config.typed_per_filter_config(), at, overrides));
    if (!status.ok()) return status;
    for (int i = 0; i < config.virtual_hosts_size(); ++i) {
      auto host =
          Host(config.virtual_hosts(i), overrides, (at / "virtual_hosts")[static_cast<size_t>(i)]);
      if (!host.ok()) return host.status();
      spec.virtual_hosts.push_back(*std::move(host));
    }
    return spec;
  }

 private:
  absl::StatusOr<route::VirtualHostSpec> Host(const route_v3::VirtualHost& host,
                                              FilterOverrides overrides, const FieldPath& at) {
    route::VirtualHostSpec spec;
    spec.name = host.name();
    if (spec.name.empty()) return (at / "name").Error("is required");
    if (host.domains().empty()) return (at / "domains").Error("needs at least one, such as \"*\"");
    spec.domains.assign(host.domains().begin(), host.domains().end());
    spec.attempt_count_in_request = host.include_request_attempt_count();
    spec.attempt_count_in_response = host.include_attempt_count_in_response();
    if (host.require_tls() == route_v3::VirtualHost::EXTERNAL_ONLY) {
      return (at / "require_tls").Error("EXTERNAL_ONLY is not implemented: use ALL or NONE");
    }
    spec.require_tls = host.require_tls() == route_v3::VirtualHost::ALL;
    auto status = ReadMutations(host, at, spec);
    status.Update(ReadOverrides(host.typed_per_filter_config(), at, overrides));
    if (!status.ok()) return status;
    for (int i = 0; i < host.routes_size(); ++i) {
      auto route = Route(host.routes(i), host, overrides, (at / "routes")[static_cast<size_t>(i)]);
      if (!route.ok()) return route.status();
      spec.routes.push_back(*std::move(route));
    }
    return spec;
  }

  absl::StatusOr<route::RouteSpec> Route(const route_v3::Route& route,
                                         const route_v3::VirtualHost& host,
                                         FilterOverrides overrides, const FieldPath& at) {
    route::RouteSpec spec;
    spec.name = route.name();
    spec.operation = route.decorator().operation();
    spec.owners = ToOwners(route.metadata());
    auto status = ReadMatch(route.match(), at / "match", spec.match);
    status.Update(ReadMutations(route, at, spec));
    status.Update(ReadOverrides(route.typed_per_filter_config(), at, overrides));
    status.Update(ReadAction(route, host, at, spec));
    if (!status.ok()) return status;
    const auto* forward = std::get_if<route::ForwardSpec>(&spec.action);
    if (spec.match.path.kind == route::PathKind::kConnect && forward && !forward->tunnel) {
      return (at / "route.upgrade_configs")
          .Error(
              "needs CONNECT with connect_config: forwarding the request itself is not "
              "implemented");
    }
    spec.fault = std::move(overrides.fault);
    spec.rate_limits = std::move(overrides.limits);
    // A route's own policies replace those of its virtual host, as is Envoy's default.
    const bool own = !route.route().rate_limits().empty();
    auto descriptors = own ? ToDescriptors(route.route().rate_limits(), at / "route.rate_limits")
                           : ToDescriptors(host.rate_limits(), at);
    if (!descriptors.ok()) return descriptors.status();
    spec.limit_descriptors = *std::move(descriptors);
    return spec;
  }

  absl::Status ReadAction(const route_v3::Route& route, const route_v3::VirtualHost& host,
                          const FieldPath& at, route::RouteSpec& spec) {
    switch (route.action_case()) {
      case route_v3::Route::kRoute:
        return Keep(ToForward(route.route(), host, at / "route", notes_), spec);
      case route_v3::Route::kRedirect:
        return Keep(ToRedirect(route.redirect(), at / "redirect"), spec);
      case route_v3::Route::kDirectResponse:
        return Keep(ToDirectResponse(route, files_, at / "direct_response"), spec);
      default:
        return at.Error("needs one of route, redirect, direct_response");
    }
  }

  template <typename Action>
  static absl::Status Keep(absl::StatusOr<Action> action, route::RouteSpec& spec) {
    if (!action.ok()) return action.status();
    spec.action = *std::move(action);
    return absl::OkStatus();
  }

  const FileReader& files_;
  std::vector<std::string>* notes_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const route::RouteTable>> ToRouteTable(
    const route_v3::RouteConfiguration& config, const FileReader& files, const FieldPath& at,
    std::vector<std::string>* notes) {
  auto spec = Conversion(files, notes).Table(config, at);
  if (!spec.ok()) return spec.status();
  auto table = route::RouteTable::Compile(*std::move(spec));
  if (!table.ok()) return at.Error(table.status());
  return table;
}

}  // namespace tulle::config
