// The commands: each runs the session's invocation and returns the exit code, or a UserError (exit
// code 1; for diff 2).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "control-plane/cli/selection.h"
#include "control-plane/cli/session.h"

namespace tulle::cli {

inline constexpr size_t kShownVersion = 12;  // characters of a hash

// policy_commands.cc
absl::StatusOr<int> Apply(Session& session);
absl::StatusOr<int> Delete(Session& session);
absl::StatusOr<int> Diff(Session& session);
absl::StatusOr<int> Validate(Session& session);
// get_command.cc
absl::StatusOr<int> Get(Session& session);
// An array of the selected policies. Empty `ns`: of all namespaces.
absl::StatusOr<Json> ListPolicies(Session& session, const std::vector<Selected>& selection,
                                  const std::string& ns);
// workload_commands.cc
// An empty name means all.
absl::StatusOr<int> ShowWorkloads(Session& session, const std::string& name);
// The workload that FindNamed finds; it has `name` and `pod` as proxies have them.
absl::StatusOr<Json> FindWorkload(Session& session, const std::string& name);
// describe_command.cc
absl::StatusOr<int> Describe(Session& session);
// mesh_commands.cc
absl::StatusOr<int> Status(Session& session);
absl::StatusOr<int> Services(Session& session);
// An empty name means all.
absl::StatusOr<int> ShowProxies(Session& session, const std::string& name);
absl::StatusOr<int> ShowServices(Session& session, const std::string& name);
// POD.NAMESPACE of a proxy in a pod, otherwise its name.
std::string ShownName(const Json& proxy);
// When the certificate expires; empty: not known.
std::string CertificateText(const Json& proxy, int64_t now);
// What errors call the things among which a name is searched.
struct NamedKind {
  std::string singular;
  std::string plural;
  std::string hint;
};
// The one of `items` (proxies, or what has `name` and `pod` as they have) of that name, of that pod
// (NAME.NAMESPACE, NAMESPACE/NAME, or NAME with `ns`), or the only one whose name has that prefix.
absl::StatusOr<Json> FindNamed(const Json& items, const std::string& name, const std::string& ns,
                               const NamedKind& kind);
// The proxy of that name, of that pod (NAME.NAMESPACE, NAMESPACE/NAME, or NAME with -n), or the
// only one whose name has that prefix.
absl::StatusOr<Json> FindProxy(Session& session, const std::string& name);
// "SYNCED", "REJECTED (listeners)" and so on: the state of a whole proxy.
std::string ConfigurationOf(const Json& proxy);
// "for 2m, REASON" of an open circuit breaker.
std::string OpenSince(const Json& breaker, int64_t now);
// traffic_commands.cc
absl::StatusOr<int> Stat(Session& session);
absl::StatusOr<int> Edges(Session& session);
absl::StatusOr<int> Top(Session& session);
// explain_request.cc
absl::StatusOr<int> ExplainRequest(Session& session);
// To standard error, if sidecars did not answer. `reply`: of GET /v1/requests.
void WarnUnanswered(Session& session, const Json& reply);
// error_commands.cc
absl::StatusOr<int> Errors(Session& session);
// bug_report_command.cc
absl::StatusOr<int> WriteBugReport(Session& session);
// event_commands.cc
absl::StatusOr<int> Events(Session& session);
// tap_command.cc
absl::StatusOr<int> Tap(Session& session);
// trace_command.cc
absl::StatusOr<int> ShowTrace(Session& session);
// log_level_command.cc
absl::StatusOr<int> Logs(Session& session);
// dashboard_command.cc
absl::StatusOr<int> ShowDashboard(Session& session);
// proxy_config.cc
absl::StatusOr<int> ProxyConfig(Session& session);
// identity_commands.cc
absl::StatusOr<int> CreateToken(Session& session);
absl::StatusOr<int> IssueCertificate(Session& session);
// Creates a key, requests a certificate for it and writes key.pem, cert.pem and ca.pem. `request`:
// {"account", "namespace", "ttlSeconds"}. Returns the reply of the control plane.
absl::StatusOr<Json> IssueInto(Session& session, const std::string& folder, Json request);
absl::StatusOr<int> RotateRoot(Session& session);
absl::StatusOr<int> ShowRoots(Session& session);
// credential_commands.cc
absl::StatusOr<int> ListTokens(Session& session);
absl::StatusOr<int> RevokeToken(Session& session);
absl::StatusOr<int> EvictWorkloads(Session& session);
absl::StatusOr<int> CreateCredential(Session& session);
absl::StatusOr<int> ListCredentials(Session& session);
absl::StatusOr<int> DeleteCredential(Session& session);
// check_command.cc
absl::StatusOr<int> Check(Session& session);
absl::StatusOr<int> Version(Session& session);
// inject_command.cc
absl::StatusOr<int> Inject(Session& session);
// install_command.cc
absl::StatusOr<int> PrintInstallation(Session& session);
absl::StatusOr<int> PrintRemoval(Session& session);
// what_if_command.cc
absl::StatusOr<int> ExplainWhatIf(Session& session);
absl::StatusOr<int> CheckAuthorization(Session& session);
// explain_command.cc
absl::StatusOr<int> Explain(Session& session);
// history_commands.cc
absl::StatusOr<int> History(Session& session);
absl::StatusOr<int> RollBack(Session& session);
// backup_command.cc, restore_command.cc
absl::StatusOr<int> Backup(Session& session);
absl::StatusOr<int> Restore(Session& session);
// hosts_command.cc
absl::StatusOr<int> Hosts(Session& session);
// registration_commands.cc
absl::StatusOr<int> RegisterWorkload(Session& session);
absl::StatusOr<int> DeregisterWorkload(Session& session);
// envoy_command.cc
absl::StatusOr<int> WriteEnvoyBootstrap(Session& session);
// run_command.cc
// HOST:PORT of the control plane for proxies: as given, else the server's at the port that it
// names.
absl::StatusOr<std::string> ControlAddress(Session& session);
absl::StatusOr<int> RunProgram(Session& session);
// config_commands.cc
absl::StatusOr<int> GetServers(Session& session);
absl::StatusOr<int> CurrentServer(Session& session);
absl::StatusOr<int> UseServer(Session& session);
absl::StatusOr<int> UnsetCurrentServer(Session& session);
absl::StatusOr<int> SetServer(Session& session);
absl::StatusOr<int> DeleteServer(Session& session);
absl::StatusOr<int> ViewConfig(Session& session);

}  // namespace tulle::cli
