#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "envoy/config/rbac/v3/rbac.pb.h"
#include "sidecar/config/field_path.h"
#include "sidecar/policy/authorization.h"

namespace tulle::config {

absl::StatusOr<policy::RulesSpec> ToRules(const envoy::config::rbac::v3::RBAC& rbac,
                                          const FieldPath& at);

// For the HTTP and the network filter: both have rules and shadow_rules.
template <typename Filter>
absl::StatusOr<std::shared_ptr<const policy::Authorization>> ToAuthorization(const Filter& filter,
                                                                             const FieldPath& at) {
  policy::AuthorizationSpec spec;
  if (filter.has_rules()) {
    auto rules = ToRules(filter.rules(), at / "rules");
    if (!rules.ok()) return rules.status();
    spec.rules = *std::move(rules);
  }
  if (filter.has_shadow_rules()) {
    auto rules = ToRules(filter.shadow_rules(), at / "shadow_rules");
    if (!rules.ok()) return rules.status();
    spec.shadow_rules = *std::move(rules);
  }
  auto compiled = policy::Authorization::Compile(std::move(spec));
  if (!compiled.ok()) return at.Error(compiled.status());
  return compiled;
}

}  // namespace tulle::config
