// `tullectl describe`: a service, a workload, a policy or a proxy with all that concerns it, and
// what is wrong.

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "control-plane/cli/cluster_objects.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/description.h"
#include "control-plane/cli/policy_targets.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

// The services that the policy is for.
absl::StatusOr<std::string> ConcernedBy(Session& session, const Json& policy) {
  const auto reply = session.Get("/v1/services");
  if (!reply.ok()) return reply.status();
  std::string concerned;
  for (const Json& service : PartAt(*reply, "/items")) {
    const std::string ns = TextAt(service, "/namespace");
    const std::string name = TextAt(service, "/name");
    if (Concerns(policy, ns, name)) concerned += (concerned.empty() ? "" : ", ") + name + "." + ns;
  }
  return concerned;
}

absl::StatusOr<int> DescribePolicy(Session& session, const Selected& selected) {
  const auto found = ListPolicies(session, {selected}, session.Namespace());
  if (!found.ok()) return found.status();
  const auto known = ReadProblems(session);
  if (!known.ok()) return known.status();
  Description description(session);
  for (const Json& policy : *found) {
    const auto services = ConcernedBy(session, policy);
    if (!services.ok()) return services.status();
    description.AddLine("Name", TextAt(policy, "/metadata/name"));
    description.AddLine("Namespace", TextAt(policy, "/metadata/namespace"));
    description.AddLine("Kind", TextAt(policy, "/kind"));
    description.AddLine("Created", TextAt(policy, "/metadata/creationTimestamp"));
    description.AddLine("Target", TargetOf(policy));
    description.AddLine("Services", *services);
    description.AddText("Spec:\n" + ToYaml(PartAt(policy, "/spec")));
    const Verdict verdict = VerdictOf(policy);
    if (verdict.state == Verdict::State::kRefused || verdict.state == Verdict::State::kIncomplete)
      description.AddProblem(verdict.reason + ": " + verdict.message);
    const auto problems = known->of_policy.find(KeyOf(policy));
    if (problems == known->of_policy.end()) continue;
    for (const std::string& problem : problems->second) description.AddProblem(problem);
  }
  return description.Finish();
}

bool IsOneOf(const std::string& kind, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), kind) != words.end();
}

}  // namespace

absl::StatusOr<int> Describe(Session& session) {
  const Invocation& wanted = session.invocation;
  std::string kind = wanted.kind;
  std::string name = wanted.names.empty() ? "" : wanted.names[0];
  if (const size_t slash = kind.find('/'); slash != std::string::npos) {
    name = kind.substr(slash + 1);
    kind.resize(slash);
  }
  if (name.empty()) {
    return UserError("the name of what to describe is missing",
                     "use `tullectl describe KIND NAME`, such as `tullectl describe service post`");
  }
  if (IsOneOf(kind, {"service", "services", "svc"})) return DescribeService(session, name);
  if (IsOneOf(kind, {"workload", "workloads"})) return DescribeWorkload(session, name);
  if (IsOneOf(kind, {"proxy", "proxies"})) return ShowProxies(session, name);
  const auto selection = ReadSelection(kind, {name});
  if (!selection.ok()) return selection.status();
  return DescribePolicy(session, selection->front());
}

}  // namespace tulle::cli
