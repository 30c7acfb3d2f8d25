// The control plane's pods, and the Service in front of them.
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "k8s/install/objects.h"

namespace tulle::install {
namespace {

constexpr char kState[] = "/var/lib/tulle";

struct Port {
  const char* name;
  int number;
};
constexpr Port kSidecars = {"grpc-xds", 15012};
constexpr Port kMetrics = {"metrics", 15014};
constexpr Port kApi = {"https-api", kApiPort};
constexpr Port kWebhook = {"https-webhook", 15017};

Json Arguments(const Settings& settings) {
  return {"--kubernetes",
          absl::StrCat("--data-dir=", kState, "/control"),
          absl::StrCat("--dns-name=", kControl, ".", kNamespace, ".svc"),
          absl::StrCat("--health=0.0.0.0:", kMetrics.number),
          absl::StrCat("--trust-domain=", settings.trust_domain),
          absl::StrCat("--log-level=", settings.log_level),
          absl::StrCat("--sidecar-image=", settings.sidecar_image),
          absl::StrCat("--init-image=", settings.init_image),
          absl::StrCat("--cni=", settings.cni)};
}

Json Probe(const char* path, int period_seconds, int failures = 3) {
  return {{"failureThreshold", failures},
          {"httpGet", {{"path", path}, {"port", kMetrics.number}}},
          {"periodSeconds", period_seconds}};
}

Json Resources(const Settings& settings) {
  return {{"requests", {{"cpu", settings.cpu}, {"memory", settings.memory}}}};
}

Json Number(const std::string& text) {
  int number = 0;
  return absl::SimpleAtoi(text, &number) ? Json(number) : Json(text);
}

// What the Pod Security level `restricted` asks for.
Json Restrictions() {
  return {{"allowPrivilegeEscalation", false},
          {"capabilities", {{"drop", {"ALL"}}}},
          {"readOnlyRootFilesystem", true},
          {"runAsGroup", inject::kSidecarUid},
          {"runAsNonRoot", true},
          {"runAsUser", inject::kSidecarUid}};
}

Json Container(const Settings& settings) {
  Json ports = Json::array();
  for (const Port& port : {kSidecars, kMetrics, kApi, kWebhook})
    ports.push_back({{"name", port.name}, {"containerPort", port.number}});
  return {{"name", kControl},
          {"image", settings.control_image},
          {"imagePullPolicy", settings.image_pull_policy},
          {"args", Arguments(settings)},
          {"ports", ports},
          // Its ports open when the API server has told it the roots.
          {"startupProbe", Probe("/healthz", 2, 300)},
          {"readinessProbe", Probe("/readyz", 2)},
          {"livenessProbe", Probe("/healthz", 10)},
          {"resources", Resources(settings)},
          {"securityContext", Restrictions()},
          {"volumeMounts", {{{"name", "state"}, {"mountPath", kState}}}}};
}

const Json& Labels() {
  static const Json labels = {{"app", kControl}};
  return labels;
}

}  // namespace

Json ControlDeployment(const Settings& settings) {
  const Json state = {{"name", "state"},
                      {"emptyDir", {{"medium", "Memory"}, {"sizeLimit", "256Mi"}}}};
  const Json pod = {
      {"serviceAccountName", kControl},
      {"securityContext",
       {{"fsGroup", inject::kSidecarUid}, {"seccompProfile", {{"type", "RuntimeDefault"}}}}},
      {"containers", {Container(settings)}},
      {"volumes", {state}}};
  return Object("apps/v1", "Deployment", kControl,
                {{"spec",
                  {{"replicas", Number(settings.replicas)},
                   {"strategy", {{"rollingUpdate", {{"maxSurge", 1}, {"maxUnavailable", 0}}}}},
                   {"selector", {{"matchLabels", Labels()}}},
                   {"template", {{"metadata", {{"labels", Labels()}}}, {"spec", pod}}}}}});
}

// Of several replicas one goes at a time; one alone may go.
Json ControlDisruptions() {
  return Object("policy/v1", "PodDisruptionBudget", kControl,
                {{"spec", {{"maxUnavailable", 1}, {"selector", {{"matchLabels", Labels()}}}}}});
}

// Sidecars call from any pod. The API server is outside of the pods' network in most clusters, so
// the ports that it calls are open to all addresses: the webhooks, which have limits of their own,
// and the API, which asks for a credential. Metrics are for the namespace of the monitoring alone.
Json ControlNetworkPolicy(const Settings& settings) {
  const auto number = [](const Port& port) {
    return Json{{"port", port.number}, {"protocol", "TCP"}};
  };
  const Json any_pod = {{"namespaceSelector", Json::object()}};
  const Json monitoring = {
      {"namespaceSelector",
       {{"matchLabels", {{"kubernetes.io/metadata.name", settings.monitoring_namespace}}}}}};
  const Json own_pods = {{"podSelector", Json::object()}};
  const Json ingress = {{{"from", {any_pod}}, {"ports", {number(kSidecars)}}},
                        {{"from", {monitoring, own_pods}}, {"ports", {number(kMetrics)}}},
                        {{"ports", {number(kApi), number(kWebhook)}}}};
  return Object("networking.k8s.io/v1", "NetworkPolicy", kControl,
                {{"spec",
                  {{"podSelector", {{"matchLabels", Labels()}}},
                   {"policyTypes", {"Ingress"}},
                   {"ingress", ingress}}}});
}

Json ControlService() {
  Json ports = Json::array();
  for (const Port& port : {kSidecars, kApi})
    ports.push_back({{"name", port.name}, {"port", port.number}});
  // The API server calls webhooks at 443 unless it is told otherwise.
  ports.push_back({{"name", kWebhook.name}, {"port", 443}, {"targetPort", kWebhook.name}});
  return Object("v1", "Service", kControl, {{"spec", {{"selector", Labels()}, {"ports", ports}}}});
}

}  // namespace tulle::install
