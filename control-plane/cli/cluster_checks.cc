#include "control-plane/cli/cluster_checks.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "control-plane/cli/injection_checks.h"
#include "k8s/inject/settings.h"
#include "k8s/install/manifests.h"

namespace tulle::cli {
namespace {

constexpr int kOldestMinor = 29;  // native sidecars
constexpr char kControlDeployment[] =
    "/apis/apps/v1/namespaces/tulle-system/deployments/tulle-control";
constexpr char kControlPods[] =
    "/api/v1/namespaces/tulle-system/pods?labelSelector=app%3Dtulle-control";
constexpr char kNamespaces[] = "/api/v1/namespaces";
constexpr char kCniPlugin[] = "/apis/apps/v1/namespaces/tulle-cni/daemonsets/tulle-cni";

ClusterCheck VersionCheck(const Json& version) {
  ClusterCheck check{"kubernetes-version", "version of Kubernetes"};
  check.message = TextAt(version, "/gitVersion");
  int minor = 0;
  std::string digits = TextAt(version, "/minor");  // "29+" at some providers
  while (!digits.empty() && (digits.back() < '0' || digits.back() > '9')) digits.pop_back();
  check.is_good =
      TextAt(version, "/major") == "1" && absl::SimpleAtoi(digits, &minor) && minor >= kOldestMinor;
  check.hint = absl::StrCat("Tulle needs Kubernetes 1.", kOldestMinor,
                            " or later, for native sidecars: upgrade the cluster");
  return check;
}

absl::StatusOr<ClusterCheck> RightsCheck(InstalledObjects& cluster,
                                         const std::vector<Json>& objects) {
  ClusterCheck check{"rights", "rights to install"};
  std::vector<std::string> lacking;
  for (const Json& object : objects) {
    for (const char* verb : {"create", "patch"}) {
      const auto may = cluster.May(verb, object);
      if (!may.ok()) return may.status();
      if (*may) continue;
      lacking.push_back(absl::StrCat(verb, " ", ResourceName(object)));
      break;
    }
  }
  check.is_good = lacking.empty();
  check.message =
      check.is_good ? absl::StrCat(objects.size(), " objects") : "you may not " + NamesOf(lacking);
  check.hint = "use the kubeconfig of an administrator (ClusterRole cluster-admin)";
  return check;
}

absl::StatusOr<ClusterCheck> PodSecurityCheck(InstalledObjects& cluster, bool with_cni) {
  ClusterCheck check{"pod-security", "Pod Security of namespaces with sidecars"};
  const auto plugin = cluster.Get(kCniPlugin);
  if (!plugin.ok()) return plugin.status();
  if (with_cni || !plugin->is_null()) {
    check.message = "no pod needs a capability, with the CNI plugin";
    return check;
  }
  const auto namespaces = cluster.Get(absl::StrCat(
      kNamespaces, "?labelSelector=", std::string(inject::kInjectLabel), "%3Denabled"));
  if (!namespaces.ok()) return namespaces.status();
  std::vector<std::string> strict;
  for (const Json& ns : PartAt(*namespaces, "/items")) {
    const std::string level = TextAt(ns, "/metadata/labels/pod-security.kubernetes.io~1enforce");
    if (level == "baseline" || level == "restricted")
      strict.push_back(absl::StrCat(TextAt(ns, "/metadata/name"), " (", level, ")"));
  }
  check.is_good = strict.empty();
  check.message = NamesOf(strict);
  check.hint =
      "tulle-init needs NET_ADMIN, which these levels refuse: install with --cni (and check with "
      "--pre --cni), or kubectl label namespace NAME --overwrite "
      "pod-security.kubernetes.io/enforce=privileged";
  return check;
}

ClusterCheck AvailableCheck(const Json& deployment, const Json& pods) {
  ClusterCheck check{"deployment", "Deployment tulle-control"};
  const std::vector<std::string> hindrances = HindrancesOf(deployment, pods);
  check.is_good = hindrances.empty();
  check.message = check.is_good ? absl::StrCat(TextAt(deployment, "/status/availableReplicas"),
                                               " replicas available")
                                : absl::StrJoin(hindrances, "; ");
  check.hint =
      "kubectl -n tulle-system describe pods; kubectl -n tulle-system logs "
      "deployment/tulle-control";
  return check;
}

// Whether each field that we set is as we set it. The API server adds the defaults of others.
bool Includes(const Json& found, const Json& ours) {
  if (ours.is_object()) {
    for (const auto& [key, value] : ours.items()) {
      if (!found.is_object() || !found.contains(key) || !Includes(found[key], value)) return false;
    }
    return true;
  }
  if (!ours.is_array()) return found == ours;
  if (!found.is_array() || found.size() != ours.size()) return false;
  for (size_t i = 0; i < ours.size(); ++i)
    if (!Includes(found[i], ours[i])) return false;
  return true;
}

// Selectors as a whole: what somebody has added to them leaves pods out.
bool IsSameWebhook(const Json& found, const Json& ours) {
  for (const char* selector : {"namespaceSelector", "objectSelector"}) {
    if (found.value(selector, Json::object()) != ours.value(selector, Json::object())) return false;
  }
  return Includes(found, ours);
}

bool AreSameWebhooks(const Json& found, const Json& ours) {
  return std::equal(found.begin(), found.end(), ours.begin(), ours.end(), IsSameWebhook);
}

ClusterCheck WebhookCheck(const Json& found, const Json& ours) {
  const std::string name = TextAt(ours, "/metadata/name");
  const bool injects = TextAt(ours, "/kind") == "MutatingWebhookConfiguration";
  ClusterCheck check{injects ? "webhook" : "policy-webhook", "webhook " + name};
  const std::string install =
      "install it again: tullectl install --apply, with the flags as before";
  if (found.is_null()) {
    check.is_good = false;
    check.message = absl::StrCat(TextAt(ours, "/kind"), " ", name, " is missing");
    check.hint =
        (injects ? "new pods get no sidecar; " : "invalid policies are stored; ") + install;
    return check;
  }
  for (const Json& webhook : PartAt(found, "/webhooks")) {
    if (!TextAt(webhook, "/clientConfig/caBundle").empty()) continue;
    check.is_good = false;
    check.message = "caBundle is empty";
    check.hint =
        absl::StrCat("the API server cannot verify it, so ",
                     injects ? "pods with sidecars are refused" : "policies are stored unchecked",
                     "; tulle-control writes caBundle when it starts: check its log");
    return check;
  }
  check.is_good = AreSameWebhooks(PartAt(found, "/webhooks"), PartAt(ours, "/webhooks"));
  if (check.is_good) return check;
  check.message = absl::StrCat(TextAt(ours, "/kind"), " ", name,
                               " differs from what this version of tullectl installs");
  check.hint =
      absl::StrCat("compare with `kubectl get ", absl::AsciiStrToLower(TextAt(ours, "/kind")), " ",
                   name, " -o yaml`; ", install);
  return check;
}

absl::Status AddWebhooks(InstalledObjects& cluster, std::vector<ClusterCheck>* checks) {
  for (const Json& object : install::Manifests({})) {
    if (!TextAt(object, "/kind").ends_with("WebhookConfiguration")) continue;
    const auto found = cluster.Find(object);
    if (!found.ok()) return found.status();
    if (*found) checks->push_back(WebhookCheck(**found, object));
  }
  return absl::OkStatus();
}

// Absent: the user may not apply them, and so not compare them either.
absl::StatusOr<std::optional<ClusterCheck>> DefinitionsCheck(InstalledObjects& cluster,
                                                             const std::vector<Json>& definitions) {
  ClusterCheck check{"definitions", "definitions of policies"};
  std::vector<std::string> wrong;
  for (const Json& definition : definitions) {
    const std::string name = TextAt(definition, "/metadata/name");
    const auto found =
        cluster.Get(absl::StrCat("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/", name));
    if (!found.ok()) return found.status();
    const auto ours = cluster.Preview(definition);
    if (!ours.ok()) return ours.status();
    if (ours->is_null()) return std::nullopt;
    if (found->is_null()) {
      wrong.push_back(name + " is missing");
    } else if (PartAt(*found, "/spec") != PartAt(*ours, "/spec")) {
      wrong.push_back(name + " is of another version");
    }
  }
  check.is_good = wrong.empty();
  check.message =
      check.is_good ? absl::StrCat(definitions.size(), " of this version") : NamesOf(wrong);
  check.hint = "install those of this version: tullectl install --apply";
  return check;
}

// The image that the control plane gives to new pods.
std::string SidecarImageOf(const Json& deployment) {
  constexpr std::string_view kFlag = "--sidecar-image=";
  for (const Json& argument : PartAt(deployment, "/spec/template/spec/containers/0/args")) {
    const std::string text = TextAt(argument, "");
    if (text.starts_with(kFlag)) return text.substr(kFlag.size());
  }
  return "";
}

ClusterCheck SidecarsCheck(const Json& pods, const std::string& image) {
  ClusterCheck check{"sidecars", "version of sidecars"};
  std::vector<std::string> old;
  for (const Json& pod : PartAt(pods, "/items")) {
    for (const Json& container : PartAt(pod, "/spec/initContainers")) {
      if (TextAt(container, "/name") == "tulle-sidecar" && TextAt(container, "/image") != image)
        old.push_back(
            absl::StrCat(TextAt(pod, "/metadata/namespace"), "/", TextAt(pod, "/metadata/name")));
    }
  }
  check.is_good = old.empty();
  check.message = check.is_good ? image : absl::StrCat("other than ", image, ": ", NamesOf(old));
  check.hint = "restart their workloads: kubectl -n NAMESPACE rollout restart deployment";
  return check;
}

}  // namespace

absl::StatusOr<std::vector<ClusterCheck>> ChecksBefore(InstalledObjects& cluster,
                                                       const std::vector<Json>& objects,
                                                       bool with_cni) {
  std::vector<ClusterCheck> checks;
  const auto version = cluster.Get("/version");
  if (!version.ok()) return version.status();
  checks.push_back(VersionCheck(*version));
  auto rights = RightsCheck(cluster, objects);
  if (!rights.ok()) return rights.status();
  checks.push_back(*std::move(rights));
  auto levels = PodSecurityCheck(cluster, with_cni);
  if (!levels.ok()) return levels.status();
  checks.push_back(*std::move(levels));
  return checks;
}

absl::StatusOr<std::vector<ClusterCheck>> ChecksAfter(InstalledObjects& cluster,
                                                      const std::vector<Json>& definitions) {
  std::vector<ClusterCheck> checks;
  const auto deployment = cluster.Get(kControlDeployment);
  if (!deployment.ok()) return deployment.status();
  const auto control_pods = cluster.Get(kControlPods);
  if (!control_pods.ok()) return control_pods.status();
  // Without it, Tulle is not installed, or not for this user to read.
  if (!deployment->is_null()) {
    checks.push_back(AvailableCheck(*deployment, *control_pods));
    if (absl::Status added = AddWebhooks(cluster, &checks); !added.ok()) return added;
  }
  if (absl::Status added = AddInjectionChecks(cluster, &checks); !added.ok()) return added;
  auto defined = DefinitionsCheck(cluster, definitions);
  if (!defined.ok()) return defined.status();
  if (*defined) checks.push_back(**std::move(defined));
  const std::string image = SidecarImageOf(*deployment);
  // A sample of a large cluster is enough.
  const auto pods = cluster.Get("/api/v1/pods?labelSelector=tulle.dev%2Fmeshed%3Dtrue&limit=500");
  if (!pods.ok()) return pods.status();
  if (!pods->is_null() && !image.empty()) checks.push_back(SidecarsCheck(*pods, image));
  return checks;
}

}  // namespace tulle::cli
