#include "sidecar/proxy/decisions.h"

#include <algorithm>
#include <charconv>

#include "sidecar/policy/authorization.h"
#include "sidecar/proxy/call.h"
#include "sidecar/proxy/caller.h"
#include "sidecar/proxy/http_chain.h"
#include "sidecar/proxy/services.h"
#include "sidecar/route/route_table.h"

namespace tulle::proxy {

std::string_view TextOf(route::Mismatch mismatch) {
  switch (mismatch) {
    case route::Mismatch::kNone:
      return "matches";
    case route::Mismatch::kPath:
      return "path does not match";
    case route::Mismatch::kHeader:
      return "headers do not match";
    case route::Mismatch::kQuery:
      return "query parameters do not match";
    case route::Mismatch::kGrpc:
      return "not a gRPC request";
    case route::Mismatch::kFraction:
      return "the route takes only a part of the requests";
  }
  return {};
}

std::string_view NameOf(const route::Route& route, size_t place, std::span<char, 32> scratch) {
  const std::string_view name = route.spec().name;
  if (!name.empty()) return name;
  constexpr std::string_view kBegin = "routes[";
  char* at = std::copy(kBegin.begin(), kBegin.end(), scratch.data());
  at = std::to_chars(at, scratch.data() + scratch.size() - 1, place).ptr;
  *at++ = ']';
  return {scratch.data(), static_cast<size_t>(at - scratch.data())};
}

void Decisions::Add(const Decision& decision) {
  if (count_ == kMost) {
    ++dropped_;
    return;
  }
  ++count_;
  auto* node = arena_.New<Node>(Node{decision, nullptr});
  node->decision.subject = arena_.Copy(decision.subject);
  node->decision.reason = arena_.Copy(decision.reason);
  *last_ = node;
  last_ = &(*last_)->next;
}

void Decisions::Add(const Decisions& others) {
  others.ForEach([this](const Decision& one) { Add(one); });
}

void Decisions::Reject(DecisionKind kind, size_t place, std::string_view subject,
                       std::string_view reason) {
  if (place >= most_of_list_ || rejected_ == kMostRejected) {
    ++dropped_;
    return;
  }
  ++rejected_;
  Add(kind, subject, false, reason);
}

std::vector<KeptDecision> Decisions::Copy() const {
  std::vector<KeptDecision> all;
  all.reserve(count_);
  ForEach([&](const Decision& one) {
    all.push_back({one.kind, one.positive, std::string(one.subject), std::string(one.reason),
                   one.at, one.numbers});
  });
  return all;
}

void ExplainRoute(Decisions& decisions, const route::RouteTable& table, const http::Head& head,
                  uint64_t random) {
  const route::VirtualHost* host = table.HostFor(head);
  if (host == nullptr)
    return decisions.Add(DecisionKind::kRoute, head.authority, false, "no domain matches");
  size_t place = 0;
  char scratch[32];
  for (const route::Route& route : host->routes()) {
    const route::Mismatch mismatch = route.Compare(head, random);
    const std::string_view name = NameOf(route, place, scratch);
    if (mismatch == route::Mismatch::kNone)
      return decisions.Add(DecisionKind::kRoute, name, true, TextOf(mismatch));
    decisions.Reject(DecisionKind::kRoute, place++, name, TextOf(mismatch));
  }
}

void ExplainDenial(Decisions& decisions,
                   const std::vector<std::shared_ptr<const policy::Authorization>>& filters,
                   const policy::Subject& subject) {
  for (const auto& filter : filters) {
    const policy::Verdict verdict = filter->Decide(subject).verdict;
    if (verdict.allowed) continue;
    if (!verdict.policy.empty()) return;
    size_t place = 0;
    for (const policy::Mismatch& one : filter->Mismatches(subject, Decisions::kMostOfList))
      decisions.Reject(DecisionKind::kAuthorization, place++, one.policy, one.reason);
    return;
  }
}

std::string_view TextOf(upstream::Availability availability) {
  switch (availability) {
    case upstream::Availability::kUnhealthy:
      return "unhealthy";
    case upstream::Availability::kDraining:
      return "draining";
    case upstream::Availability::kBreakerOpen:
      return "circuit breaker open";
    case upstream::Availability::kAvailable:
      break;
  }
  return {};
}

void Explain(Call& call, DecisionKind kind, std::string_view subject, bool positive,
             std::string_view reason, const DecisionNumbers& numbers) {
  if (call.decisions == nullptr) call.decisions = call.arena.New<Decisions>(call.arena);
  call.decisions->Add({kind, positive, subject, reason, call.services.loop.Now(), numbers});
}

std::string_view OwnerOf(const Call& call, std::string_view cause) {
  const std::string key(cause);
  if (call.chosen.route != nullptr) {
    const auto& owners = call.chosen.route->spec().owners;
    if (const auto found = owners.find(key); found != owners.end()) return found->second;
  }
  if (call.cluster.get() == nullptr) return {};
  const auto& owners = call.cluster->spec().owners;
  const auto found = owners.find(key);
  return found == owners.end() ? std::string_view() : found->second;
}

}  // namespace tulle::proxy
