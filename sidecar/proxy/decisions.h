#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/base/arena.h"
#include "net/base/failure.h"
#include "net/http/head.h"
#include "net/loop/loop.h"
#include "sidecar/recorder/decision.h"

namespace tulle::policy {
class Authorization;
struct Subject;
}  // namespace tulle::policy
namespace tulle::route {
enum class Mismatch : uint8_t;
class Route;
class RouteTable;
}  // namespace tulle::route
namespace tulle::upstream {
class Endpoint;
enum class Availability : uint8_t;
}  // namespace tulle::upstream

namespace tulle::proxy {

struct Call;

using recorder::Decision;
using recorder::DecisionKind;
using recorder::DecisionNumbers;
using KeptDecision = recorder::BasicDecision<std::string>;

// What was decided about one request, and why, in order. Of a long list of routes or endpoints that
// were not chosen only the first are kept, and the number of the others; what was chosen, and what
// policies decided, is kept up to a large number. Lives in an arena; Copy outlives it. Owner: Call.
// Thread: the worker's.
class Decisions {
 public:
  // Of one list; and of one that the flight recorder keeps.
  static constexpr size_t kMostOfList = 32;
  static constexpr size_t kMostExplained = 8;

  // `most_of_list`: candidates of one list that were not chosen.
  explicit Decisions(Arena& arena, size_t most_of_list = kMostOfList)
      : arena_(arena), most_of_list_(most_of_list) {}
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
  // An attempt after something was decided: before that, it began with the request.
  void BeginAttempt(loop::Instant now) { attempt_began_ = now; }
  loop::Instant attempt_began() const { return attempt_began_; }

 private:
  struct Node {
    Decision decision;
    Node* next;
  };

  // Of one request: a long route table must not fill the memory.
  static constexpr size_t kMostRejected = 256;
  static constexpr size_t kMost = 512;

  Arena& arena_;
  const size_t most_of_list_;
  Node* first_ = nullptr;
  Node** last_ = &first_;
  size_t count_ = 0;
  size_t rejected_ = 0;
  size_t dropped_ = 0;
  loop::Instant attempt_began_{};
};

// Keeps what a phase decided. Only for what most requests do not meet, such as a denial or a retry:
// it takes memory of the call.
void Explain(Call& call, DecisionKind kind, std::string_view subject, bool positive,
             std::string_view reason, const DecisionNumbers& numbers = {});
// Keeps the end of an attempt that failed or is made again. `status` 0: there was no response.
void ExplainAttempt(Call& call, const upstream::Endpoint& endpoint, int status, Failure failure);

// The route's name, or its place in the table in `scratch`.
std::string_view NameOf(const route::Route& route, size_t place, std::span<char, 32> scratch);
std::string_view TextOf(route::Mismatch mismatch);
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

// All of it, at the end of a request, with what matters most first: what the phases kept; of a
// denial the policies that do not match; the policy that decided about a failure; the last attempt;
// the limits of the cluster; the routes and the endpoints.
void ExplainEnd(Decisions& decisions, const Call& call);

}  // namespace tulle::proxy
