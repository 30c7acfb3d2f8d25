#include "control-plane/api/policy_change.h"

#include "absl/strings/str_cat.h"
#include "control-plane/policy/canonical_json.h"
#include "control-plane/policy/kinds.h"

namespace tulle::api {
using discovery::PolicyChange;

const char* TextOf(PolicyChange::Action action) {
  switch (action) {
    case PolicyChange::Action::kCreated:
      return "created";
    case PolicyChange::Action::kChanged:
      return "changed";
    case PolicyChange::Action::kDeleted:
      return "deleted";
    case PolicyChange::Action::kUnchanged:
      break;
  }
  return "unchanged";
}

Json OutcomeJson(const discovery::ApplyOutcome& outcome, bool is_dry_run) {
  Json json = {{"revision", outcome.revision}, {"dryRun", is_dry_run}, {"changes", Json::array()}};
  for (const PolicyChange& change : outcome.changes) {
    Json each = {{"kind", std::string(policy::ToText(change.key.kind))},
                 {"namespace", change.key.ns},
                 {"name", change.key.name},
                 {"action", TextOf(change.action)}};
    // As YAML: what a person compares line by line.
    if (is_dry_run && change.before) each["before"] = policy::ToYaml(*change.before);
    if (is_dry_run && change.after) each["after"] = policy::ToYaml(*change.after);
    json["changes"].push_back(std::move(each));
  }
  return json;
}

std::string EventOf(const discovery::ApplyOutcome& outcome, const std::string& author) {
  std::string changes;
  for (const PolicyChange& change : outcome.changes) {
    if (change.action == PolicyChange::Action::kUnchanged) continue;
    changes += (changes.empty() ? " " : ", ") + std::string(TextOf(change.action)) + " " +
               policy::ToText(change.key);
  }
  if (changes.empty()) return "";
  return author + changes + "; revision " + std::to_string(outcome.revision);
}

std::optional<ApiResponse> RefuseKindsOfCluster(const discovery::ApplyOutcome& outcome,
                                                const ControlPlaneView& view) {
  for (const PolicyChange& change : outcome.changes) {
    if (!change.after || !view.IsServedByCluster(change.key.kind)) continue;
    return Refuse(409,
                  absl::StrCat(policy::ToText(change.key),
                               " must be applied to the Kubernetes API server, which serves ",
                               std::string(policy::EntryOf(change.key.kind).plural)),
                  "use `kubectl apply -f FILE`");
  }
  return std::nullopt;
}

}  // namespace tulle::api
