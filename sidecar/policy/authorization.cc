// Evaluates RBAC filters.
#include "sidecar/policy/authorization.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace tulle::policy {
namespace {

absl::Status CompileInto(const std::vector<RuleSpec>& specs, std::string_view what,
                         const std::string& policy, std::vector<Rule>& out) {
  const std::string field(what);
  if (specs.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("policy '", policy, "' has no ", field, ": use {any: true} to match all"));
  }
  for (size_t i = 0; i < specs.size(); ++i) {
    auto rule = Rule::Compile(specs[i]);
    if (!rule.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("policies[", policy, "].", field, "[", i, "]: ", rule.status().message()));
    }
    out.push_back(*std::move(rule));
  }
  return absl::OkStatus();
}

bool AnyHolds(const std::vector<Rule>& rules, const Subject& subject, IfUnknown if_unknown) {
  return std::any_of(rules.begin(), rules.end(),
                     [&](const Rule& rule) { return rule.Holds(subject, if_unknown); });
}

// Of the first rule: the others of a list differ in values.
void AddMismatch(const std::vector<Rule>& rules, const Subject& subject, std::string* reason) {
  if (AnyHolds(rules, subject, IfUnknown::kDoesNotMatch)) return;
  const std::string why = rules.front().Mismatch(subject, IfUnknown::kDoesNotMatch);
  absl::StrAppend(reason, reason->empty() ? "" : ", ", why);
}

}  // namespace

absl::StatusOr<Authorization::Rules> Authorization::CompileRules(RulesSpec spec) {
  std::sort(spec.policies.begin(), spec.policies.end(),
            [](const PolicySpec& a, const PolicySpec& b) { return a.name < b.name; });
  Rules rules;
  rules.action = spec.action;
  for (const PolicySpec& policy : spec.policies) {
    Policy compiled;
    compiled.name = policy.name;
    auto status = CompileInto(policy.permissions, "permissions", policy.name, compiled.permissions);
    if (status.ok()) {
      status = CompileInto(policy.principals, "principals", policy.name, compiled.principals);
    }
    if (!status.ok()) return status;
    rules.policies.push_back(std::move(compiled));
  }
  return rules;
}

void Authorization::Note(const Rules& rules) {
  for (const Policy& policy : rules.policies) {
    for (const auto* list : {&policy.permissions, &policy.principals}) {
      for (const Rule& rule : *list) {
        asks_path_ |= rule.asks_path();
        asks_header_ |= rule.asks_header();
      }
    }
  }
}

absl::StatusOr<std::shared_ptr<const Authorization>> Authorization::Compile(
    AuthorizationSpec spec) {
  std::shared_ptr<Authorization> compiled(new Authorization);
  if (spec.rules) {
    auto rules = CompileRules(*std::move(spec.rules));
    if (!rules.ok()) return rules.status();
    compiled->rules_ = *std::move(rules);
    compiled->Note(*compiled->rules_);
  }
  if (spec.shadow_rules) {
    auto rules = CompileRules(*std::move(spec.shadow_rules));
    if (!rules.ok()) return rules.status();
    compiled->shadow_rules_ = *std::move(rules);
  }
  return compiled;
}

Verdict Authorization::Evaluate(const Rules& rules, const Subject& subject) {
  const IfUnknown if_unknown =
      rules.action == Action::kDeny ? IfUnknown::kMatches : IfUnknown::kDoesNotMatch;
  for (const Policy& policy : rules.policies) {
    if (AnyHolds(policy.permissions, subject, if_unknown) &&
        AnyHolds(policy.principals, subject, if_unknown)) {
      return {rules.action != Action::kDeny, policy.name};
    }
  }
  return {rules.action != Action::kAllow, {}};
}

Decision Authorization::Decide(const Subject& subject) const {
  Decision decision;
  if (rules_) decision.verdict = Evaluate(*rules_, subject);
  if (shadow_rules_) decision.shadow = Evaluate(*shadow_rules_, subject);
  return decision;
}

std::vector<Mismatch> Authorization::Mismatches(const Subject& subject, size_t most) const {
  std::vector<Mismatch> all;
  if (!rules_ || rules_->action != Action::kAllow) return all;
  for (const Policy& policy : rules_->policies) {
    if (all.size() == most) break;
    Mismatch& one = all.emplace_back(Mismatch{policy.name, ""});
    AddMismatch(policy.principals, subject, &one.reason);
    AddMismatch(policy.permissions, subject, &one.reason);
  }
  return all;
}

std::string_view DenialDetail(const Verdict& verdict, Arena& arena) {
  const std::string_view name = verdict.policy.empty() ? "none" : verdict.policy;
  return arena.Concat(std::string_view("rbac_access_denied_matched_policy["), name,
                      std::string_view("]"));
}

}  // namespace tulle::policy
