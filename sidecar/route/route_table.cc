// Compiles route configurations and finds the route of a request.
#include "sidecar/route/route_table.h"

#include <re2/re2.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "sidecar/match/authority.h"
#include "sidecar/route/path.h"
#include "sidecar/route/query.h"

namespace tulle::route {
namespace {

// Fractions and weights must not be decided by the same bits.
uint64_t Mixed(uint64_t random) {
  random ^= random >> 33;
  random *= 0xff51afd7ed558ccdULL;
  random ^= random >> 33;
  return random;
}

absl::Status CompileHeaders(const std::vector<match::HeaderSpec>& specs,
                            std::vector<match::HeaderMatch>& out) {
  for (const match::HeaderSpec& spec : specs) {
    auto match = match::HeaderMatch::Compile(spec);
    if (!match.ok()) return match.status();
    out.push_back(*std::move(match));
  }
  return absl::OkStatus();
}

absl::Status CheckAll(const HeaderMutations& mutations) {
  for (const HeaderMutation& mutation : mutations) {
    if (auto status = CheckMutation(mutation); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// Envoy applies the most specific level first, so that the least specific one overrides, unless
// configured otherwise.
HeaderMutations InOrder(std::vector<const HeaderMutations*> levels, bool most_specific_wins) {
  if (most_specific_wins) std::reverse(levels.begin(), levels.end());
  HeaderMutations all;
  for (const HeaderMutations* level : levels) all.insert(all.end(), level->begin(), level->end());
  return all;
}

absl::Status Within(const absl::Status& status, std::string_view where) {
  return absl::Status(status.code(), absl::StrCat(std::string(where), ": ", status.message()));
}

absl::Status CheckClusters(const ForwardSpec& forward) {
  uint64_t sum = 0;
  for (const WeightedCluster& cluster : forward.clusters) {
    if (cluster.name.empty()) return absl::InvalidArgumentError("a cluster requires a name");
    sum += cluster.weight;
    for (const HeaderMutations* list : {&cluster.request_headers, &cluster.response_headers}) {
      if (auto status = CheckAll(*list); !status.ok()) return status;
    }
  }
  if (sum == 0 || sum > UINT32_MAX) {
    return absl::InvalidArgumentError(absl::StrCat("the weights of the clusters sum to ", sum,
                                                   ": the total must be between 1 and 4294967295"));
  }
  return absl::OkStatus();
}

// What follows the `?`, after `path`.
std::string_view QueryOf(std::string_view target, std::string_view path) {
  std::string_view query = target.substr(path.size());
  if (!query.empty()) query.remove_prefix(1);
  return query;
}

}  // namespace

absl::Status Route::CompileMatch() {
  auto path = PathMatch::Compile(spec_.match.path);
  if (!path.ok()) return path.status();
  path_ = *std::move(path);
  if (auto status = CompileHeaders(spec_.match.headers, headers_); !status.ok()) return status;
  for (const QuerySpec& query : spec_.match.query) {
    Query compiled{query.name, std::nullopt, query.present};
    if (query.value) {
      auto match = match::StringMatch::Compile(*query.value);
      if (!match.ok()) return match.status();
      compiled.value = *std::move(match);
    }
    query_.push_back(std::move(compiled));
  }
  return absl::OkStatus();
}

absl::Status Route::CompileAction() {
  const std::optional<RegexRewrite>* rewrite = nullptr;
  if (const ForwardSpec* action = forward()) {
    if (auto status = CheckClusters(*action); !status.ok()) return status;
    rewrite = &action->regex_rewrite;
    if (action->retry) {
      auto status = CompileHeaders(action->retry->response_headers, retriable_response_headers_);
      status.Update(CompileHeaders(action->retry->request_headers, retriable_request_headers_));
      if (!status.ok()) return status;
    }
  } else if (redirect() != nullptr) {
    rewrite = &redirect()->regex_rewrite;
  }
  if (rewrite == nullptr || !rewrite->has_value()) return absl::OkStatus();
  auto regex = match::CompileRegex((*rewrite)->pattern);
  if (!regex.ok()) return regex.status();
  rewrite_regex_ = *std::move(regex);
  std::string error;
  if (!rewrite_regex_->CheckRewriteString((*rewrite)->substitution, &error)) {
    return absl::InvalidArgumentError(absl::StrCat("substitution of regex_rewrite: ", error));
  }
  return absl::OkStatus();
}

void Route::MakeTargets(const RouteTableSpec& table, const VirtualHostSpec& host) {
  const WeightedCluster none;
  const std::vector<WeightedCluster> only(1, none);
  const ForwardSpec* action = forward();
  const bool reversed = table.most_specific_mutations_win;
  uint64_t upper = 0;
  for (const WeightedCluster& cluster : action != nullptr ? action->clusters : only) {
    upper += cluster.weight;
    Target target;
    target.cluster = cluster.name;
    target.upper = upper;
    target.host_rewrite = cluster.host_rewrite;
    if (target.host_rewrite.empty() && action != nullptr)
      target.host_rewrite = action->host_rewrite;
    target.request_headers = InOrder({&cluster.request_headers, &spec_.request_headers,
                                      &host.request_headers, &table.request_headers},
                                     reversed);
    target.response_headers = InOrder({&cluster.response_headers, &spec_.response_headers,
                                       &host.response_headers, &table.response_headers},
                                      reversed);
    targets_.push_back(std::move(target));
  }
}

absl::Status Route::Compile(const RouteTableSpec& table, const VirtualHostSpec& host) {
  for (const HeaderMutations* list : {&spec_.request_headers, &spec_.response_headers}) {
    if (auto status = CheckAll(*list); !status.ok()) return status;
  }
  if (auto status = CompileMatch(); !status.ok()) return status;
  if (auto status = CompileAction(); !status.ok()) return status;
  MakeTargets(table, host);
  return absl::OkStatus();
}

Mismatch Route::Compare(const http::Head& head, std::string_view path, std::string_view query,
                        uint64_t random) const {
  if (!path_->Matches(path)) return Mismatch::kPath;
  for (const match::HeaderMatch& header : headers_) {
    if (!header.Matches(head)) return Mismatch::kHeader;
  }
  for (const Query& wanted : query_) {
    const auto value = QueryValue(query, wanted.name);
    if (!wanted.value) {
      if (value.has_value() != wanted.present) return Mismatch::kQuery;
    } else if (!value || !wanted.value->Matches(*value)) {
      return Mismatch::kQuery;
    }
  }
  if (spec_.match.grpc_only && !head.is_grpc()) return Mismatch::kGrpc;
  const auto& fraction = spec_.match.fraction;
  const bool within = !fraction || random % fraction->denominator < fraction->numerator;
  return within ? Mismatch::kNone : Mismatch::kFraction;
}

Mismatch Route::Compare(const http::Head& head, uint64_t random) const {
  const std::string_view path = PathOnly(head.path);
  return Compare(head, path, QueryOf(head.path, path), random);
}

absl::Status RouteTable::AddVirtualHost(const RouteTableSpec& table, VirtualHostSpec host,
                                        uint32_t index) {
  for (const std::string& domain : host.domains) {
    if (auto status = domains_.Add(domain, index); !status.ok()) return status;
  }
  for (const HeaderMutations* list : {&host.request_headers, &host.response_headers}) {
    if (auto status = CheckAll(*list); !status.ok()) return status;
  }
  VirtualHost& added = virtual_hosts_[index];
  std::vector<RouteSpec> routes = std::move(host.routes);
  host.routes.clear();
  added.spec_ = std::move(host);
  added.routes_.resize(routes.size());
  for (size_t i = 0; i < routes.size(); ++i) {
    Route& route = added.routes_[i];
    route.spec_ = std::move(routes[i]);
    route.virtual_host_ = &added;
    if (auto status = route.Compile(table, added.spec_); !status.ok()) {
      return Within(status, absl::StrCat("routes[", i, "]"));
    }
  }
  return absl::OkStatus();
}

void RouteTable::ListClusters() {
  for (const VirtualHost& host : virtual_hosts_) {
    for (const Route& route : host.routes()) {
      if (route.forward() == nullptr) continue;
      for (const Route::Target& target : route.targets()) clusters_.push_back(target.cluster);
    }
  }
  std::sort(clusters_.begin(), clusters_.end());
  clusters_.erase(std::unique(clusters_.begin(), clusters_.end()), clusters_.end());
}

absl::StatusOr<std::shared_ptr<const RouteTable>> RouteTable::Compile(RouteTableSpec spec) {
  std::shared_ptr<RouteTable> table(new RouteTable);
  table->name_ = spec.name;
  table->ignore_port_ = spec.ignore_port;
  table->internal_only_headers_ = spec.internal_only_headers;
  for (const HeaderMutations* list : {&spec.request_headers, &spec.response_headers}) {
    if (auto status = CheckAll(*list); !status.ok()) return status;
  }
  std::vector<VirtualHostSpec> hosts = std::move(spec.virtual_hosts);
  table->virtual_hosts_.resize(hosts.size());
  for (size_t i = 0; i < hosts.size(); ++i) {
    const std::string where = absl::StrCat("virtual_hosts[", i, "] (", hosts[i].name, ")");
    const auto status = table->AddVirtualHost(spec, std::move(hosts[i]), static_cast<uint32_t>(i));
    if (!status.ok()) return Within(status, where);
  }
  table->ListClusters();
  return table;
}

const VirtualHost* RouteTable::HostFor(const http::Head& head) const {
  const uint32_t index = ignore_port_ ? domains_.Find(HostOf(head.authority))
                                      : domains_.Find(head.authority, match::OwnPort(head));
  return index == DomainTable::kNone ? nullptr : &virtual_hosts_[index];
}

RouteMatch RouteTable::Match(const http::Head& head, uint64_t random) const {
  const VirtualHost* const found = HostFor(head);
  if (found == nullptr) return {};
  const VirtualHost& host = *found;
  const std::string_view path = PathOnly(head.path);
  const std::string_view query = QueryOf(head.path, path);
  const uint64_t mixed = Mixed(random);
  for (const Route& route : host.routes()) {
    if (route.Compare(head, path, query, random) != Mismatch::kNone) continue;
    const auto& targets = route.targets();
    size_t chosen = 0;
    if (targets.size() > 1) {
      const uint64_t point = mixed % targets.back().upper;
      while (point >= targets[chosen].upper) ++chosen;
    }
    return {&host, &route, &targets[chosen]};
  }
  return {&host, nullptr, nullptr};
}

}  // namespace tulle::route
