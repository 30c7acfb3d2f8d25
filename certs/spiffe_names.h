// The texts that SPIFFE IDs are made of, for code that matches or prints them and has no need of a
// whole SpiffeId. Pure; any thread. Source: SPIFFE-ID.md section 2; Kubernetes convention.
#pragma once

#include <string>
#include <string_view>

namespace tulle::certs {

inline constexpr std::string_view kSpiffeScheme = "spiffe://";

// The account of the control plane itself: certificates of workloads do not match it.
inline constexpr char kControlPlanePath[] = "/ns/tulle-system/sa/tulle-control";

// `path` is empty (the trust domain itself) or begins with a slash. Not validated.
std::string SpiffeUri(std::string_view trust_domain, std::string_view path = {});

// Of /ns/NAMESPACE/sa/ACCOUNT; both are empty for a path of another form.
struct WorkloadNames {
  std::string_view namespace_name;
  std::string_view account;
};
WorkloadNames WorkloadNamesOfPath(std::string_view path);
// The same of a whole ID.
WorkloadNames WorkloadNamesOf(std::string_view spiffe_id);

}  // namespace tulle::certs
