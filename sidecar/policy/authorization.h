#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "net/base/arena.h"
#include "sidecar/policy/rule.h"
#include "sidecar/policy/rule_spec.h"

namespace tulle::policy {

struct Verdict {
  bool allowed = true;
  // The policy that matched; empty if none did.
  std::string_view policy = {};
};

struct Decision {
  Verdict verdict;
  // The verdict of the shadow rules; empty if there are none.
  std::optional<Verdict> shadow;
};

// A policy that does not match, and why: "caller does not match, path does not match".
struct Mismatch {
  std::string_view policy;
  std::string reason;
};

// One RBAC filter, compiled, for HTTP requests and for connections. Immutable, shared by workers. A
// deny rule fails closed: a property that is unknown (a request header on a TCP connection; one of
// several copies of a header) counts as matching. For an allow rule it does not.
class Authorization {
 public:
  static absl::StatusOr<std::shared_ptr<const Authorization>> Compile(AuthorizationSpec spec);
  Authorization(const Authorization&) = delete;
  Authorization& operator=(const Authorization&) = delete;

  // Does not allocate, unless a matched header is repeated.
  Decision Decide(const Subject& subject) const;

  // Of what the rules do not allow: the first `most` policies, none of which matches. Allocates: to
  // explain a denial.
  std::vector<Mismatch> Mismatches(const Subject& subject, size_t most) const;

  // Whether escaped slashes must be refused before evaluation.
  bool asks_path() const { return asks_path_; }
  bool asks_header() const { return asks_header_; }

 private:
  struct Policy {
    std::string name;
    std::vector<Rule> permissions;
    std::vector<Rule> principals;
  };
  struct Rules {
    Action action = Action::kAllow;
    std::vector<Policy> policies;  // by name, in the order in which Envoy evaluates them
  };

  Authorization() = default;
  static absl::StatusOr<Rules> CompileRules(RulesSpec spec);
  static Verdict Evaluate(const Rules& rules, const Subject& subject);
  void Note(const Rules& rules);

  std::optional<Rules> rules_;
  std::optional<Rules> shadow_rules_;
  bool asks_path_ = false;
  bool asks_header_ = false;
};

// Envoy's response code detail of a denied request: rbac_access_denied_matched_policy[NAME], "none"
// when nothing matched.
std::string_view DenialDetail(const Verdict& verdict, Arena& arena);

}  // namespace tulle::policy
