#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/base/arena.h"
#include "net/http/head.h"
#include "net/loop/loop.h"

namespace tulle::policy {
class Authorization;
struct Subject;
}  // namespace tulle::policy
namespace tulle::route {
class RouteTable;
}
namespace tulle::upstream {
class Endpoint;
enum class Availability : uint8_t;
}  // namespace tulle::upstream

namespace tulle::proxy {

struct Call;

enum class DecisionKind : uint8_t {
  kRoute,          // subject: the route's name, or its place in the table
  kAuthorization,  // the policy
  kRateLimit,      // the filter
  kFault,          // "delay" or "abort"
  kEndpoint,       // the address
  kRetry,          // what the attempt failed of
  kClusterLimit,   // the limit
  kBackend,        // the cluster, of several with weights
  kTimeout,        // what is limited: "request", "perTry"
  kPolicy,         // the field of a policy that decides; the reason is the cause, or "retries"
  kBreaker,        // the endpoint, or the cluster without an endpoint that is not open
};

// "route", "rate limit" and so on. Source: tulle.insight.v1.Decision.kind.
std::string_view TextOf(DecisionKind kind);

// Numbers that belong to a decision; 0: it has none.
struct DecisionNumbers {
  uint64_t used = 0;  // of a limit
  uint64_t allowed = 0;
  int status = 0;  // of the response that is retried, or that a fault injects
  loop::Duration delay{0};
};

// One thing that was decided or considered. `positive`: the route or endpoint was chosen, the
// policy or limit let the request pass, the fault or retry took place.
template <typename Text>
struct BasicDecision {
  DecisionKind kind;
  bool positive;
  Text subject;
  Text reason;  // why, or why not
  loop::Instant at{};
  DecisionNumbers numbers{};
};
using Decision = BasicDecision<std::string_view>;
using KeptDecision = BasicDecision<std::string>;

// What was decided about one request, and why, in order. Of a long list of routes or endpoints that
// were not chosen only the first are kept, and the number of the others; what was chosen, and what
// policies decided, is kept up to a large number. Lives in an arena; Copy outlives it. Owner: Call.
// Thread: the worker's.
class Decisions {
 public:
  explicit Decisions(Arena& arena) : arena_(arena) {}
  // Both texts are copied.
  void Add(DecisionKind kind, std::string_view subject, bool positive, std::string_view reason) {
    Add(Decision{kind, positive, subject, reason});
  }
  void Add(const Decision& decision);
  void Add(const Decisions& others);
  // A candidate that was not chosen. Start a list at `place` 0.
  void Reject(DecisionKind kind, size_t place, std::string_view subject, std::string_view reason);
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const Node* node = first_; node != nullptr; node = node->next) visit(node->decision);
  }
  std::vector<KeptDecision> Copy() const;
  // Those that are not kept.
  size_t dropped() const { return dropped_; }

  // Of one list.
  static constexpr size_t kMostOfList = 32;

 private:
  struct Node {
    Decision decision;
    Node* next;
  };

  // Of one request: a long route table must not fill the memory.
  static constexpr size_t kMostRejected = 256;
  static constexpr size_t kMost = 512;

  Arena& arena_;
  Node* first_ = nullptr;
  Node** last_ = &first_;
  size_t count_ = 0;
  size_t rejected_ = 0;
  size_t dropped_ = 0;
};

// Keeps what a phase decided. Only for what most requests do not meet, such as a denial or a retry:
// it takes memory of the call.
void Explain(Call& call, DecisionKind kind, std::string_view subject, bool positive,
             std::string_view reason, const DecisionNumbers& numbers = {});

// The routes that were considered, and for each that does not match, what does not.
void ExplainRoute(Decisions& decisions, const route::RouteTable& table, const http::Head& head,
                  uint64_t random);
// In place of a cause. Source: control-plane/snapshot/owners.h.
inline constexpr std::string_view kOwnerOfRetries = "retries";
// The field of a policy that decides about failures of this cause; empty: a default does, or it is
// not known.
std::string_view OwnerOf(const Call& call, std::string_view cause);
// Of a request or connection that no policy allows: what of each policy does not match.
void ExplainDenial(Decisions& decisions,
                   const std::vector<std::shared_ptr<const policy::Authorization>>& filters,
                   const policy::Subject& subject);
// Why an endpoint cannot be used; empty: it can.
std::string_view TextOf(upstream::Availability availability);
// The endpoints of the call's cluster. REQUIRES: it has one.
void ExplainEndpoints(Decisions& decisions, const Call& call);

// All of it, at the end of a request that failed: the routes, unless the request was forwarded,
// which changed its head; what the phases kept; of a denial the policies that do not match; the
// policy that decided about the failure; the endpoints, if it had a cluster.
std::vector<KeptDecision> ExplainFailure(const Call& call);

}  // namespace tulle::proxy
