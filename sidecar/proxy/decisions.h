#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "net/base/arena.h"
#include "net/http/head.h"

namespace tulle::route {
class RouteTable;
}
namespace tulle::upstream {
class Endpoint;
}

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
};

// One thing that was decided or considered. `positive`: the route or endpoint was chosen, the
// policy or limit let the request pass, the fault or retry took place.
template <typename Text>
struct BasicDecision {
  DecisionKind kind;
  bool positive;
  Text subject;
  Text reason;  // why, or why not
};
using Decision = BasicDecision<std::string_view>;
using KeptDecision = BasicDecision<std::string>;

// What was decided about one request, and why, in order. Of a long list of routes or endpoints that
// were not chosen only the first are kept, and the number of the others; what was chosen, and what
// policies decided, is always kept. Made only where someone listens
// (Services::decisions), so that it costs other requests a comparison. Lives in the call's arena;
// Copy outlives it. Owner: Call. Thread: the worker's.
class Decisions {
 public:
  explicit Decisions(Arena& arena) : arena_(arena) {}
  // Both texts are copied.
  void Add(DecisionKind kind, std::string_view subject, bool positive, std::string_view reason);
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const Node* node = first_; node != nullptr; node = node->next) visit(node->decision);
  }
  // A candidate that was not chosen. Start a list at `place` 0.
  void Reject(DecisionKind kind, size_t place, std::string_view subject, std::string_view reason);
  std::vector<KeptDecision> Copy() const;
  // Candidates that were not chosen and are not kept.
  size_t dropped() const { return dropped_; }

 private:
  struct Node {
    Decision decision;
    Node* next;
  };

  // Of one list, and of one request: a long route table must not fill the memory.
  static constexpr size_t kMostOfList = 32;
  static constexpr size_t kMostRejected = 256;

  Arena& arena_;
  Node* first_ = nullptr;
  Node** last_ = &first_;
  size_t count_ = 0;
  size_t rejected_ = 0;
  size_t dropped_ = 0;
};

// Who listens: a recorder, or a tap. Owner: the composition root. Thread: the worker's.
class DecisionListener {
 public:
  virtual ~DecisionListener() = default;
  // A request has ended; both are valid during the call.
  virtual void OnDecisions(const Call& call, const Decisions& decisions) = 0;
};

// The routes that were considered, and for each that does not match, what does not.
void ExplainRoute(Decisions& decisions, const route::RouteTable& table, const http::Head& head,
                  uint64_t random);
// The endpoints of the call's cluster; null: none was picked.
void ExplainEndpoints(Decisions& decisions, const Call& call, const upstream::Endpoint* picked);

}  // namespace tulle::proxy
