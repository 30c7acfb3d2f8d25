// What the API server asks the control plane about. The control plane writes caBundle.
#include <string>

#include "control-plane/policy/custom_resource.h"
#include "k8s/install/objects.h"

namespace tulle::install {
namespace {

constexpr char kAdmission[] = "admissionregistration.k8s.io/v1";
constexpr int kTimeoutSeconds = 5;

// Asks the control plane at this path.
Json Webhook(const char* name, const char* path, Json more) {
  more["name"] = name;
  more["admissionReviewVersions"] = {"v1"};
  more["clientConfig"]["service"] = {
      {"namespace", kNamespace}, {"name", kControl}, {"path", path}, {"port", 443}};
  more["matchPolicy"] = "Equivalent";
  more["sideEffects"] = "None";
  more["timeoutSeconds"] = kTimeoutSeconds;
  return more;
}

}  // namespace

// In namespaces with the label no pod starts without its sidecar while the control plane is away;
// other namespaces do not notice.
Json InjectionWebhook() {
  const std::string label(inject::kInjectLabel);
  const Json not_disabled = {{"key", label}, {"operator", "NotIn"}, {"values", {"disabled"}}};
  const Json pods = {{"apiGroups", {""}},
                     {"apiVersions", {"v1"}},
                     {"operations", {"CREATE"}},
                     {"resources", {"pods"}},
                     {"scope", "Namespaced"}};
  const Json webhook = Webhook("inject.tulle.dev", "/inject",
                               {{"namespaceSelector", {{"matchLabels", {{label, "enabled"}}}}},
                                {"objectSelector", {{"matchExpressions", {not_disabled}}}},
                                {"rules", {pods}},
                                {"failurePolicy", "Fail"},
                                {"reinvocationPolicy", "IfNeeded"}});
  return ClusterObject(kAdmission, "MutatingWebhookConfiguration", "tulle-inject",
                       {{"webhooks", {webhook}}});
}

// While the control plane is away policies are stored unchecked, and their status says later
// whether they are valid: nothing is locked while an installation begins or the control plane has
// failed. Deletions and writes of status are not asked about.
Json PolicyWebhook() {
  const Json policies = {{"apiGroups", {std::string(policy::kTulleGroup)}},
                         {"apiVersions", {std::string(policy::kTulleVersion)}},
                         {"operations", {"CREATE", "UPDATE"}},
                         {"resources", PolicyResources("")},
                         {"scope", "Namespaced"}};
  const Json webhook = Webhook("validate.tulle.dev", "/validate",
                               {{"rules", {policies}}, {"failurePolicy", "Ignore"}});
  return ClusterObject(kAdmission, "ValidatingWebhookConfiguration", "tulle-validate",
                       {{"webhooks", {webhook}}});
}

}  // namespace tulle::install
