// What the API server asks the control plane about. The control plane writes caBundle.
#include <string>

#include "k8s/install/objects.h"

namespace tulle::install {

// In namespaces with the label no pod starts without its sidecar while the control plane is away;
// other namespaces do not notice.
Json InjectionWebhook() {
  const std::string label(inject::kInjectLabel);
  const Json client = {
      {"service",
       {{"namespace", kNamespace}, {"name", kControl}, {"path", "/inject"}, {"port", 443}}}};
  const Json not_disabled = {{"key", label}, {"operator", "NotIn"}, {"values", {"disabled"}}};
  const Json pods = {{"apiGroups", {""}},
                     {"apiVersions", {"v1"}},
                     {"operations", {"CREATE"}},
                     {"resources", {"pods"}},
                     {"scope", "Namespaced"}};
  const Json webhook = {{"name", "inject.tulle.dev"},
                        {"admissionReviewVersions", {"v1"}},
                        {"clientConfig", client},
                        {"namespaceSelector", {{"matchLabels", {{label, "enabled"}}}}},
                        {"objectSelector", {{"matchExpressions", {not_disabled}}}},
                        {"rules", {pods}},
                        {"failurePolicy", "Fail"},
                        {"matchPolicy", "Equivalent"},
                        {"reinvocationPolicy", "IfNeeded"},
                        {"sideEffects", "None"},
                        {"timeoutSeconds", 5}};
  return ClusterObject("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration",
                       "tulle-inject", {{"webhooks", {webhook}}});
}

}  // namespace tulle::install
