#include "control-plane/api/check_list.h"

#include <iterator>

namespace tulle::api {
namespace {

constexpr CheckEntry kChecks[] = {
    {CheckId::kProxiesConnected, "proxies-connected", "proxies connected", "all",
     "not connected:", "is the sidecar running, and can it reach port $PORT of tulle-control?",
     "see `kubectl -n NAMESPACE logs POD -c tulle-sidecar`, and whether a NetworkPolicy keeps the "
     "pod from port $PORT of tulle-control"},
    {CheckId::kConfigurationAccepted, "configuration-accepted", "configuration accepted", "by all",
     "rejected by:", "see the reason with `tullectl status PROXY`, then fix the policy"},
    {CheckId::kConfigurationInForce, "configuration-in-force", "configuration in force",
     "everywhere", "not in force:\n",
     "free the port or use another one; the sidecar tries again by itself. A registration is "
     "refused until its token or its flags change"},
    {CheckId::kRootCertificate, "root-certificate", "root certificate", "", "", "rotate the root:"},
    {CheckId::kRootRotation, "root-rotation", "root rotation", "not blocked", "in progress for",
     ""},
    {CheckId::kWorkloadCertificates, "workload-certificates", "workload certificates",
     "none has expired", "expired:",
     "in this order: check that the clock there is right (date -u) and that the sidecar can reach "
     "port $PORT; then write a new join token to the FILE of its --token-file. It joins within a "
     "minute, and the application need not be restarted",
     "check that the clock of the pod's node is right (date -u), and see `kubectl -n NAMESPACE "
     "logs "
     "POD -c tulle-sidecar`: the sidecar gets a new certificate as soon as it reaches port $PORT "
     "of "
     "tulle-control"},
    {CheckId::kCertificatesShared, "certificates-shared", "certificates used once", "all",
     "used in two places:",
     "two processes share a --state-dir, or the key was copied: then evict the workload, and let "
     "it join again with a new token",
     "the key was copied: evict the workload with `tullectl evict ACCOUNT -n NAMESPACE`, and "
     "restart its pods"},
    {CheckId::kCertificatesPerIdentity, "certificates-per-identity", "certificates per identity",
     "far below the limit", "close to the limit, at which requests are refused:",
     "replicas have two or three each. If that does not explain them, a workload requests them "
     "without need, or its key was copied: then evict it. Otherwise set a shorter --svid-ttl of "
     "tulle-control, with which they expire earlier"},
    {CheckId::kJoinTokens, "join-tokens", "join tokens", "none was rejected", "rejected:",
     "write a new token to the FILE of the sidecar's --token-file. It joins within a minute"},
    {CheckId::kWorkloadsHealthy, "workloads-healthy", "workloads healthy", "all",
     "unhealthy:", "a missed lease or a failing application: see the log of its sidecar",
     "their pods are not ready: see `kubectl -n NAMESPACE describe pod POD`"},
    {CheckId::kBreakersClosed, "circuit-breakers", "circuit breakers", "none is open", "open:\n",
     "these proxies send no requests to these endpoints. See with `tullectl services` whether the "
     "endpoint is healthy, and check that its application and its sidecar listen and that the "
     "network lets the connection pass; for error responses see the application's log. A breaker "
     "closes by itself when a trial request succeeds"},
    {CheckId::kLeases, "leases", "leases", "none is overdue",
     "overdue at the same time, and therefore kept:",
     "many workloads became silent at once: check the network"},
    {CheckId::kPoliciesReadable, "policies-readable", "policies readable", "all",
     "NOT ENFORCED, cannot be parsed; apply again or delete:\n",
     "the store was written by another version of tulle-control: apply the policy again"},
    {CheckId::kPoliciesAccepted, "policies-accepted", "policies of Kubernetes accepted", "all",
     "NOT ACCEPTED:\n",
     "change or delete the object with kubectl, or create what it refers to; its condition "
     "Accepted "
     "says the same"},
    {CheckId::kRoutesResolved, "routes-resolved", "references of routes", "resolved",
     "NOT RESOLVED, so that requests to these backends get 500:\n",
     "change the route, or create the Service or the ReferenceGrant; the condition ResolvedRefs of "
     "the route says the same"},
    {CheckId::kPoliciesEffective, "policies-effective", "policies in effect", "all", "",
     "fix the name (see `tullectl services -A`), or ignore this if it is not deployed yet"},
    {CheckId::kPodsMeshed, "pods-meshed", "pods of labelled namespaces", "have a sidecar",
     "WITHOUT A SIDECAR:",
     "restart what owns them, also StatefulSets and DaemonSets; label pods that need none "
     "tulle.dev/inject=disabled"},
    {CheckId::kStoreWritable, "store-writable", "store", "can be written", "CANNOT BE WRITTEN: ",
     "free space in --data-dir of tulle-control. Until then the mesh runs on what is in memory, "
     "and "
     "changes are refused"},
};

static_assert(std::size(kChecks) == static_cast<size_t>(CheckId::kStoreWritable) + 1);
static_assert(
    [] {
      for (size_t i = 0; i < std::size(kChecks); ++i) {
        if (kChecks[i].id != static_cast<CheckId>(i)) return false;
      }
      return true;
    }(),
    "rows are in the order of CheckId");

}  // namespace

const CheckEntry& EntryOf(CheckId id) { return kChecks[static_cast<size_t>(id)]; }

}  // namespace tulle::api
