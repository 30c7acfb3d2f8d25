// The checks of GET /v1/check: one row each, with everything that is said about it. Clients tell
// checks apart by `id`; the other texts are for people. Constants; any thread.
#pragma once

#include <string_view>

namespace tulle::api {

enum class CheckId {
  kProxiesConnected,
  kConfigurationAccepted,
  kConfigurationInForce,
  kRootCertificate,
  kRootRotation,
  kWorkloadCertificates,
  kCertificatesShared,
  kCertificatesPerIdentity,
  kJoinTokens,
  kWorkloadsHealthy,
  kBreakersClosed,
  kLeases,
  kPoliciesReadable,
  kPoliciesAccepted,
  kRoutesResolved,
  kPoliciesEffective,
  kPodsMeshed,
  kStoreWritable
};

struct CheckEntry {
  CheckId id;
  std::string_view text_id;  // "proxies-connected"
  std::string_view name;
  std::string_view passed;
  std::string_view failed;             // what was found follows
  std::string_view hint;               // $PORT: where the control plane serves sidecars
  std::string_view cluster_hint = {};  // in a Kubernetes cluster; empty: the same
};

const CheckEntry& EntryOf(CheckId id);

}  // namespace tulle::api
