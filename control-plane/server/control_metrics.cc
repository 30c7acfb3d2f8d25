#include "control-plane/server/control_metrics.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control-plane/ca/root_rotation.h"
#include "telemetry/version.h"

namespace tulle::server {
namespace {

class Page {
 public:
  void Describe(const std::string& name, const std::string& help) {
    const char* type = name.ends_with("_total") ? "counter" : "gauge";
    absl::StrAppend(&text_, "# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n");
  }
  // `labels` with their braces, or empty.
  template <typename Value>
  void Row(const std::string& name, const std::string& labels, Value value) {
    absl::StrAppend(&text_, name, labels, " ", value, "\n");
  }
  template <typename Value>
  void Add(const std::string& name, const std::string& help, Value value) {
    Describe(name, help);
    Row(name, "", value);
  }
  std::string& text() { return text_; }

 private:
  std::string text_;
};

void AddMesh(const ControlPlane& plane, Page* page) {
  const auto& workloads = plane.view().CurrentMesh().workloads;
  const auto unhealthy = std::count_if(workloads.begin(), workloads.end(), [](const auto& entry) {
    return entry.second.health != discovery::Health::kHealthy;
  });
  page->Add("tulle_control_workloads", "Registered instances.", workloads.size());
  page->Add("tulle_control_workloads_unhealthy", "Instances with a missed lease, or not ready.",
            unhealthy);
  page->Add("tulle_control_leases_held", "Leases overdue at once, held rather than expired.",
            plane.view().HeldLeases());
  page->Add("tulle_control_policies", "Policies in force.",
            plane.view().CurrentMesh().policies.documents().size());
  page->Add("tulle_control_policies_refused",
            "Policies of Kubernetes that are not accepted; their status says why.",
            plane.view().RefusedPolicies().size());
  page->Add("tulle_control_mesh_versions_total", "Versions of the mesh that were made.",
            plane.mesh_builder().versions());
}

void AddProxies(const ControlPlane& plane, const SidecarCalls& sidecars, Page* page) {
  const ProxySource::Counts proxies = plane.view().proxy_counts();
  page->Add("tulle_control_proxies_connected", "Proxies with an xDS stream.", proxies.connected);
  page->Add("tulle_control_proxies_rejecting", "Connected proxies that reject a resource.",
            proxies.rejecting);
  page->Add("tulle_control_certificates_shared_total",
            "Connections with a certificate that another proxy was using.",
            proxies.shared_certificates);
  page->Add("tulle_control_grpc_connections", "Connections of sidecars.", sidecars.connections);
  page->Add("tulle_control_grpc_message_timeouts_total",
            "Calls of sidecars that ended because a request did not arrive completely in time.",
            sidecars.message_timeouts);
}

std::string LabelsOf(const Door& door, const std::string& reason = "") {
  if (reason.empty()) return absl::StrCat("{port=\"", door.name(), "\"}");
  return absl::StrCat("{port=\"", door.name(), "\",reason=\"", reason, "\"}");
}

void AddDoors(const std::vector<const Door*>& doors, Page* page) {
  uint64_t pauses = 0;
  for (const Door* door : doors) pauses += door->pace().pauses();
  page->Add("tulle_control_accept_limit_per_second",
            "New connections of sidecars that are accepted now.",
            doors.front()->pace().per_second());
  page->Add("tulle_control_accept_pauses_total",
            "Times that new connections had to wait for this limit.", pauses);
  page->Describe("tulle_control_connections_waiting",
                 "Connections whose handshakes wait for this limit.");
  for (const Door* door : doors) {
    page->Row("tulle_control_connections_waiting", LabelsOf(*door), door->queue().size());
  }
  page->Describe("tulle_control_connections_without_identity",
                 "Connections that have not proved an identity.");
  for (const Door* door : doors) {
    page->Row("tulle_control_connections_without_identity", LabelsOf(*door), door->guests().size());
  }
  constexpr char kRefused[] = "tulle_control_connections_refused_total";
  page->Describe(kRefused,
                 "Connections that were closed before they proved an identity: too slow (timeout), "
                 "too many of them (no_room), or too many in the queue (queue_full).");
  for (const Door* door : doors) {
    page->Row(kRefused, LabelsOf(*door, "timeout"), door->guests().dismissed(Dismissal::kTimeout));
    page->Row(kRefused, LabelsOf(*door, "no_room"), door->guests().dismissed(Dismissal::kNoRoom));
    page->Row(kRefused, LabelsOf(*door, "queue_full"), door->queue().dropped());
  }
}

void AddAuthority(const ca::MeshAuthority& authority, Page* page) {
  page->Add("tulle_control_certificates_issued_total",
            "Certificates of workloads that were signed.", authority.issued_count());
  constexpr char kRefused[] = "tulle_control_certificates_refused_total";
  page->Describe(kRefused,
                 "Requests for certificates that were refused because their identity requests them "
                 "too often (rate), or has too many valid ones (limit).");
  page->Row(kRefused, "{reason=\"rate\"}", authority.refusals().too_often);
  page->Row(kRefused, "{reason=\"limit\"}", authority.refusals().too_many);
  page->Add("tulle_control_root_rotating", "1 while the root is being replaced.",
            authority.rotation().phase() == ca::RotationPhase::kSteady ? 0 : 1);
  page->Add("tulle_control_root_not_after_seconds", "End of the signing root, since the epoch.",
            authority.signing().certificate().not_after());
}

// One row for each namespace, up to a limit: whoever may create namespaces does not fill the page.
void AddPods(const std::map<std::string, size_t>& without_sidecar, Page* page) {
  constexpr char kWithout[] = "tulle_control_pods_without_sidecar";
  constexpr size_t kMostNamespaces = 100;
  page->Describe(kWithout,
                 "Pods of namespaces whose pods are injected that have no sidecar and do not opt "
                 "out, by namespace.");
  size_t rows = 0;
  size_t others = 0;
  for (const auto& [ns, count] : without_sidecar) {
    if (++rows > kMostNamespaces) {
      others += count;
    } else {
      page->Row(kWithout, absl::StrCat("{namespace=\"", ns, "\"}"), count);
    }
  }
  if (others > 0) page->Row(kWithout, "{namespace=\"other\"}", others);
}

void AddWebhook(const webhook::ReviewCounts& counts, Page* page) {
  constexpr char kReviews[] = "tulle_control_admission_reviews_total";
  page->Describe(kReviews,
                 "Requests to the admission webhooks: pods that were injected, skipped, or refused "
                 "because of what they ask for, and requests that were invalid.");
  uint64_t skipped = 0;
  for (const auto& [label, count] : counts.skipped) skipped += count;
  page->Row(kReviews, "{result=\"injected\"}", counts.injected);
  page->Row(kReviews, "{result=\"skipped\"}", skipped);
  page->Row(kReviews, "{result=\"refused\"}", counts.refused);
  page->Row(kReviews, "{result=\"invalid\"}", counts.invalid);
  constexpr char kPolicies[] = "tulle_control_policy_reviews_total";
  page->Describe(kPolicies,
                 "New and changed policies that the API server asked about: valid ones (allowed), "
                 "and invalid ones (refused).");
  page->Row(kPolicies, "{result=\"allowed\"}", counts.policies_allowed);
  page->Row(kPolicies, "{result=\"refused\"}", counts.policies_refused);
  constexpr char kSkipped[] = "tulle_control_admission_skipped_total";
  page->Describe(kSkipped, "Why the webhook left objects as they were.");
  for (const auto& [label, count] : counts.skipped) {
    page->Row(kSkipped, absl::StrCat("{reason=\"", std::string(label), "\"}"), count);
  }
}

void AddTokens(const ReviewedTokens::Counts& counts, Page* page) {
  constexpr char kReviews[] = "tulle_control_api_token_reviews_total";
  page->Describe(
      kReviews,
      "Tokens of service accounts with which the REST API was called: accepted, refused, "
      "or not reviewed because the API server did not answer or too many were under "
      "way.");
  page->Row(kReviews, "{result=\"accepted\"}", counts.accepted);
  page->Row(kReviews, "{result=\"refused\"}", counts.refused);
  page->Row(kReviews, "{result=\"unavailable\"}", counts.unavailable);
}

}  // namespace

std::string ControlMetricsText(const ControlPlane& plane, const SidecarCalls& sidecars,
                               std::vector<const Door*> doors, const WebhookPort* webhook,
                               const std::optional<Leadership>& leadership,
                               const ReviewedTokens::Counts* tokens) {
  if (webhook != nullptr) doors.push_back(&webhook->door());
  Page page;
  AddMesh(plane, &page);
  AddProxies(plane, sidecars, &page);
  AddDoors(doors, &page);
  if (webhook != nullptr) AddWebhook(webhook->counts(), &page);
  if (leadership) {
    AddPods(plane.view().PodsWithoutSidecar(), &page);
    page.Add("tulle_control_replicas", "Replicas of the control plane, by its pods.",
             plane.view().Replicas());
    page.Add("tulle_control_leader", "1: this replica writes what all replicas share.",
             leadership->is_leader ? 1 : 0);
    page.Add("tulle_control_leader_changes_total",
             "Times that this replica became or stopped being the leader.", leadership->changes);
    page.Add("tulle_control_cut_off",
             "1: this replica could not confirm the roots with the API server for 20 s; it signs "
             "no certificates.",
             leadership->is_cut_off ? 1 : 0);
    page.Add("tulle_control_cut_off_total", "Times that this replica was cut off.",
             leadership->times_cut_off);
  }
  if (tokens != nullptr) AddTokens(*tokens, &page);
  AddAuthority(plane.authority(), &page);
  page.Describe("tulle_control_build_info", "The version that runs.");
  page.Row("tulle_control_build_info", absl::StrCat("{version=\"", telemetry::kVersion, "\"}"), 1);
  return std::move(page.text());
}

}  // namespace tulle::server
