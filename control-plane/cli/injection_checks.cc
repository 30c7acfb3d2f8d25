#include "control-plane/cli/injection_checks.h"

#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "k8s/inject/settings.h"

namespace tulle::cli {
namespace {

constexpr char kInjections[] =
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
constexpr char kNamespaces[] = "/api/v1/namespaces";
// A sample of a large cluster is enough.
constexpr char kLabelledPods[] = "/api/v1/pods?labelSelector=tulle.dev%2Finject&limit=500";
constexpr char kDeployments[] = "/apis/apps/v1/deployments?limit=500";
constexpr char kWebhook[] = "inject.tulle.dev";
constexpr size_t kMostNamed = 5;

// A label that somebody has meant for the injection, and that has no effect; empty: there is none.
std::string WrongLabelOf(const Json& ns, bool has_istio) {
  for (const auto& [key, value] : PartAt(ns, "/metadata/labels").items()) {
    const std::string text = key + "=" + TextAt(value, "");
    if (key == inject::kInjectLabel) {
      if (value != "enabled" && value != "disabled") return text;
    } else if (absl::StrContains(key, "tulle") && absl::StrContains(key, "inject")) {
      return text;
    } else if (key == "istio-injection" && value == "enabled" && !has_istio) {
      return text;
    }
  }
  return "";
}

bool IsInjected(const Json& ns) {
  const Json& labels = PartAt(ns, "/metadata/labels");
  return labels.is_object() && labels.value(std::string(inject::kInjectLabel), Json()) == "enabled";
}

ClusterCheck NamespaceLabelsCheck(const Json& namespaces, bool has_istio) {
  ClusterCheck check{"namespace-labels", "labels of namespaces"};
  std::vector<std::string> wrong;
  size_t injected = 0;
  for (const Json& ns : PartAt(namespaces, "/items")) {
    if (IsInjected(ns)) ++injected;
    const std::string label = WrongLabelOf(ns, has_istio);
    if (!label.empty())
      wrong.push_back(absl::StrCat(TextAt(ns, "/metadata/name"), " (", label, ")"));
  }
  check.is_good = wrong.empty();
  check.message = check.is_good
                      ? absl::StrCat(injected, injected == 1 ? " namespace" : " namespaces",
                                     " with ", std::string(inject::kInjectLabel), "=enabled")
                      : absl::StrCat("no effect on the injection: ", NamesOf(wrong));
  check.hint = absl::StrCat(
      "pods get a sidecar by exactly this label: kubectl label namespace NAME "
      "--overwrite ",
      std::string(inject::kInjectLabel),
      "=enabled; remove another one with kubectl label namespace NAME LABEL-");
  return check;
}

std::string FullNameOf(const Json& object) {
  return absl::StrCat(TextAt(object, "/metadata/namespace"), "/", TextAt(object, "/metadata/name"));
}

// A label of a pod that has no effect; empty: it has one.
std::string WrongLabelOfPod(const Json& pod, const std::set<std::string>& injected) {
  const Json& labels = PartAt(pod, "/metadata/labels");
  const std::string value = TextAt(labels, "/tulle.dev~1inject");
  const std::string label = absl::StrCat(std::string(inject::kInjectLabel), "=", value);
  if (value == "disabled" || labels.contains(inject::kMeshedLabel)) return "";
  if (value != "enabled") return label;
  if (injected.contains(TextAt(pod, "/metadata/namespace"))) return "";
  return absl::StrCat(label, ", but not on its namespace");
}

ClusterCheck PodLabelsCheck(const Json& pods, const std::set<std::string>& injected) {
  ClusterCheck check{"pod-labels", "labels of pods"};
  std::vector<std::string> wrong;
  for (const Json& pod : PartAt(pods, "/items")) {
    const std::string phase = TextAt(pod, "/status/phase");
    if (phase == "Succeeded" || phase == "Failed") continue;
    if (const std::string label = WrongLabelOfPod(pod, injected); !label.empty())
      wrong.push_back(absl::StrCat(FullNameOf(pod), " (", label, ")"));
  }
  check.is_good = wrong.empty();
  if (!check.is_good) check.message = absl::StrCat("no effect on the injection: ", NamesOf(wrong));
  check.hint =
      "pods get a sidecar by the label tulle.dev/inject=enabled of their namespace, unless they "
      "have tulle.dev/inject=disabled: correct the labels in spec.template of the workload";
  return check;
}

// Of Deployments whose pods the webhook has refused: nothing else shows them to whoever looks at
// pods.
ClusterCheck RefusedPodsCheck(const Json& deployments) {
  ClusterCheck check{"pods-refused", "pods that the injection refuses"};
  std::vector<std::string> refused;
  for (const Json& deployment : PartAt(deployments, "/items")) {
    for (const Json& condition : PartAt(deployment, "/status/conditions")) {
      const std::string message = TextAt(condition, "/message");
      if (TextAt(condition, "/type") == "ReplicaFailure" && absl::StrContains(message, kWebhook))
        refused.push_back(absl::StrCat("deployment ", FullNameOf(deployment), ": ", message));
    }
  }
  check.is_good = refused.empty();
  if (!check.is_good) check.message = NamesOf(refused);
  check.hint =
      "correct what the message names in spec.template of the workload; if the webhook could not "
      "be "
      "called, look at `kubectl -n tulle-system get pods`";
  return check;
}

absl::Status AddLabelsOfNamespaces(InstalledObjects& cluster, const Json& namespaces,
                                   std::vector<ClusterCheck>* checks) {
  const auto webhooks = cluster.Get(kInjections);
  if (!webhooks.ok()) return webhooks.status();
  const Json& items = PartAt(*webhooks, "/items");
  // Its label is then its own; and if that cannot be known, too.
  const bool has_istio =
      webhooks->is_null() || std::any_of(items.begin(), items.end(), [](const Json& each) {
        return TextAt(each, "/metadata/name").starts_with("istio");
      });
  checks->push_back(NamespaceLabelsCheck(namespaces, has_istio));
  return absl::OkStatus();
}

}  // namespace

std::string NamesOf(const std::vector<std::string>& names) {
  const size_t shown = std::min(names.size(), kMostNamed);
  const std::vector<std::string> first(names.begin(), names.begin() + static_cast<long>(shown));
  return absl::StrCat(
      absl::StrJoin(first, ", "),
      names.size() > shown ? absl::StrCat(" and ", names.size() - shown, " more") : "");
}

absl::Status AddInjectionChecks(InstalledObjects& cluster, std::vector<ClusterCheck>* checks) {
  const auto namespaces = cluster.Get(kNamespaces);
  if (!namespaces.ok()) return namespaces.status();
  const auto pods = cluster.Get(kLabelledPods);
  if (!pods.ok()) return pods.status();
  const auto deployments = cluster.Get(kDeployments);
  if (!deployments.ok()) return deployments.status();
  if (!namespaces->is_null()) {
    if (auto added = AddLabelsOfNamespaces(cluster, *namespaces, checks); !added.ok()) return added;
    std::set<std::string> injected;
    for (const Json& ns : PartAt(*namespaces, "/items"))
      if (IsInjected(ns)) injected.insert(TextAt(ns, "/metadata/name"));
    if (!pods->is_null()) checks->push_back(PodLabelsCheck(*pods, injected));
  }
  if (!deployments->is_null()) checks->push_back(RefusedPodsCheck(*deployments));
  return absl::OkStatus();
}

}  // namespace tulle::cli
