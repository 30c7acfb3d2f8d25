#include "control-plane/policy/route_order.h"

#include <algorithm>
#include <tuple>

namespace tulle::policy {
namespace {

// The longest service, then the longest method; regular expressions, whose place the Gateway API
// leaves open, come after all exact names.
std::array<size_t, 5> RankOfCall(const RouteMatch& match) {
  const RpcMatch rpc = match.rpc.value_or(RpcMatch());
  const size_t service = rpc.service.size();
  const size_t method = rpc.method.size();
  if (rpc.is_regex) return {0, 0, service + method, match.headers.size(), 0};
  return {service, method, 0, match.headers.size(), 0};
}

// Exact path, then a regular expression (whose place the Gateway API leaves open), then the longest
// prefix.
std::array<size_t, 5> RankOf(const RouteMatch& match) {
  const size_t by_type = match.path.type == PathMatchType::kExact               ? 2
                         : match.path.type == PathMatchType::kRegularExpression ? 1
                                                                                : 0;
  return {by_type, match.path.value.size(), match.method ? 1U : 0U, match.headers.size(),
          match.query_params.size()};
}

std::string FullName(const Document& document) { return document.key.ns + "/" + document.key.name; }

bool GoesBefore(const RankedMatch& a, const RankedMatch& b) {
  if (a.rank != b.rank) return a.rank > b.rank;
  if (a.document != b.document) {
    if (a.document->created_at != b.document->created_at)
      return a.document->created_at < b.document->created_at;
    return FullName(*a.document) < FullName(*b.document);
  }
  return std::tie(a.rule_index, a.match_index) < std::tie(b.rule_index, b.match_index);
}

}  // namespace

std::string RankedMatch::Name() const {
  const std::string place = "[" + std::to_string(match_index) + "]";
  if (!rule->name.empty()) return FullName(*document) + "/" + rule->name + place;
  return FullName(*document) + "[" + std::to_string(rule_index) + "]" + place;
}

std::vector<RankedMatch> InOrder(const std::vector<const Document*>& routes) {
  std::vector<RankedMatch> matches;
  for (const Document* document : routes) {
    const std::vector<RouteRule>& rules = RouteIn(*document)->rules;
    const bool is_grpc = document->key.kind == Kind::kGrpcRoute;
    for (size_t i = 0; i < rules.size(); ++i) {
      for (size_t j = 0; j < rules[i].matches.size(); ++j) {
        const RouteMatch& match = rules[i].matches[j];
        matches.push_back(
            {document, &rules[i], &match, i, j, is_grpc ? RankOfCall(match) : RankOf(match)});
      }
    }
  }
  std::sort(matches.begin(), matches.end(), GoesBefore);
  return matches;
}

}  // namespace tulle::policy
