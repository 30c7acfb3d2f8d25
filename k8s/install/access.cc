// What the control plane may do in a cluster, and nothing else; what people may be allowed to do.
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "k8s/install/objects.h"

namespace tulle::install {
namespace {

using Words = std::initializer_list<const char*>;

constexpr Words kRead = {"get", "list", "watch"};
constexpr Words kKeep = {"get", "list", "watch", "patch"};
constexpr Words kAdmissionGroup = {"admissionregistration.k8s.io"};
constexpr char kRbac[] = "rbac.authorization.k8s.io/v1";
constexpr char kRbacGroup[] = "rbac.authorization.k8s.io";

struct Right {
  Words groups;
  Words resources;
  Words verbs;
  Words names = {};  // only objects of these names
};

Json RuleOf(const Right& right) {
  Json rule = {{"apiGroups", right.groups}, {"resources", right.resources}, {"verbs", right.verbs}};
  if (right.names.size() != 0) rule["resourceNames"] = right.names;
  return rule;
}

Json RulesOf(std::initializer_list<Right> rights) {
  Json rules = Json::array();
  for (const Right& right : rights) rules.push_back(RuleOf(right));
  return rules;
}

Json CommonRules() {
  return RulesOf({
      // What the mesh is made of.
      {{""}, {"namespaces", "nodes", "pods", "services"}, kRead},
      {{"discovery.k8s.io"}, {"endpointslices"}, kRead},
      // Routes of the Gateway API, which may be installed or not, and what became of them.
      {{"gateway.networking.k8s.io"}, {"grpcroutes", "httproutes", "referencegrants"}, kRead},
      {{"gateway.networking.k8s.io"}, {"grpcroutes/status", "httproutes/status"}, {"patch"}},
      // Who a sidecar is.
      {{"authentication.k8s.io"}, {"tokenreviews"}, {"create"}},
      // The roots of the mesh, for the API server's calls of the webhooks.
      {kAdmissionGroup, {"mutatingwebhookconfigurations"}, kKeep, {"tulle-inject"}},
      {kAdmissionGroup, {"validatingwebhookconfigurations"}, kKeep, {"tulle-validate"}},
      // The roots of the mesh, in each namespace with sidecars. Creation cannot be limited to a
      // name.
      {{""}, {"configmaps"}, {"create"}},
      {{""}, {"configmaps"}, {"get", "patch"}, {"tulle-ca-root-cert"}},
  });
}

Json ClusterRules() {
  Json rules = CommonRules();
  // Policies, and whether they are in force.
  rules.push_back(
      {{"apiGroups", {"tulle.dev"}}, {"resources", PolicyResources("")}, {"verbs", kRead}});
  rules.push_back({{"apiGroups", {"tulle.dev"}},
                   {"resources", PolicyResources("/status")},
                   {"verbs", {"patch"}}});
  return rules;
}

// In the control plane's own namespace. Creation cannot be limited to a name.
Json OwnRules() {
  return RulesOf({
      // The roots of the mesh and their keys.
      {{""}, {"secrets"}, {"create"}},
      {{""}, {"secrets"}, kKeep, {"tulle-ca"}},
      // Which replica is the leader.
      {{"coordination.k8s.io"}, {"leases"}, {"create"}},
      {{"coordination.k8s.io"}, {"leases"}, {"get", "patch"}, {"tulle-control"}},
  });
}

// Who may edit or view a namespace may do so with its policies. Not with ExternalServices, which
// say for all namespaces where their hosts lead.
Json Aggregated(const char* to, const std::vector<std::string>& verbs) {
  std::vector<std::string> resources = PolicyResources("");
  std::erase(resources, "externalservices");
  return {{"metadata",
           {{"labels", {{std::string("rbac.authorization.k8s.io/aggregate-to-") + to, "true"}}}}},
          {"rules", {{{"apiGroups", {"tulle.dev"}}, {"resources", resources}, {"verbs", verbs}}}}};
}

Json BindingOf(const char* role) {
  return {
      {"roleRef", {{"apiGroup", kRbacGroup}, {"kind", role}, {"name", kControl}}},
      {"subjects", {{{"kind", "ServiceAccount"}, {"name", kControl}, {"namespace", kNamespace}}}}};
}

// Nothing runs as these accounts.
Json CallerAccount(const char* name) {
  return Object("v1", "ServiceAccount", name, {{"automountServiceAccountToken", false}});
}

// For people: a token of the account, and the way to the REST API. To be bound in the control
// plane's namespace.
Json CallerRole(const char* name, Words accounts, Words verbs) {
  return Object(
      kRbac, "Role", name,
      {{"rules", RulesOf({
                     {{""}, {"serviceaccounts/token"}, {"create"}, accounts},
                     {{""}, {"services/proxy"}, verbs, {kApiProxy}},
                     // Of several replicas, each knows the sidecars that are connected to it.
                     {{""}, {"pods"}, kRead},
                     {{""}, {"pods/proxy"}, verbs},
                     // `tullectl bug-report`: the logs of tulle-control.
                     {{""}, {"pods/log"}, {"get"}},
                     // `tullectl check`.
                     {{"apps"}, {"deployments"}, {"get"}, {kControl}},
                 })}});
}

}  // namespace

std::vector<Json> Access() {
  return {
      Object("v1", "ServiceAccount", kControl, Json::object()),
      ClusterObject(kRbac, "ClusterRole", kControl, {{"rules", ClusterRules()}}),
      ClusterObject(kRbac, "ClusterRoleBinding", kControl, BindingOf("ClusterRole")),
      ClusterObject(
          kRbac, "ClusterRole", "tulle-edit",
          Aggregated("edit", {"create", "delete", "deletecollection", "patch", "update"})),
      ClusterObject(kRbac, "ClusterRole", "tulle-view",
                    Aggregated("view", {"get", "list", "watch"})),
      Object(kRbac, "Role", kControl, {{"rules", OwnRules()}}),
      Object(kRbac, "RoleBinding", kControl, BindingOf("Role")),
      CallerAccount(kViewer),
      CallerAccount(kAdmin),
      CallerRole(kViewer, {kViewer}, {"get"}),
      CallerRole(kAdmin, {kViewer, kAdmin}, {"get", "create", "update", "delete"}),
  };
}

}  // namespace tulle::install
