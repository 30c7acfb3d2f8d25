#include "control-plane/api/api.h"

#include "control-plane/api/answers.h"
#include "control-plane/api/check_resource.h"
#include "control-plane/api/credential_resource.h"
#include "control-plane/api/eviction_resource.h"
#include "control-plane/api/identity_resources.h"
#include "control-plane/api/live_resources.h"
#include "control-plane/api/mesh_resources.h"
#include "control-plane/api/policy_resources.h"
#include "control-plane/api/route.h"
#include "control-plane/api/workload_resource.h"

namespace tulle::api {
namespace {

std::string_view TakeSegment(std::string_view* path) {
  path->remove_prefix(1);
  const std::string_view segment = path->substr(0, path->find('/'));
  path->remove_prefix(segment.size());
  return segment;
}

bool MatchesPath(std::string_view pattern, std::string_view path,
                 std::vector<std::string>* arguments) {
  arguments->clear();
  while (!pattern.empty() && !path.empty()) {
    if (pattern[0] != '/' || path[0] != '/') return false;
    const std::string_view wanted = TakeSegment(&pattern);
    const std::string_view segment = TakeSegment(&path);
    if (wanted.starts_with('{')) {
      if (segment.empty()) return false;
      arguments->emplace_back(segment);
    } else if (wanted != segment) {
      return false;
    }
  }
  return pattern.empty() && path.empty();
}

// A parameter that is not understood might be the one that matters, like a dry run.
std::optional<ApiResponse> RefuseUnknownQuery(const ApiRequest& request, const Route& route) {
  for (const auto& [name, value] : request.query) {
    std::string known;
    bool is_known = false;
    for (const QueryParameter& parameter : route.query) {
      is_known = is_known || parameter.name == name;
      known += (known.empty() ? "" : ", ") + std::string(parameter.name);
    }
    if (is_known) continue;
    return Refuse(400, "unknown query parameter \"" + name + "\"",
                  known.empty() ? "this path takes no parameters" : "known parameters: " + known,
                  name);
  }
  return std::nullopt;
}

}  // namespace

// Built once: the routes hold pointers to the resources.
class Api::Resources {
 public:
  explicit Resources(const Parts& parts)
      : policies_(parts.policies, parts.view, parts.on_change),
        history_(parts.policies, parts.view, parts.on_change),
        mesh_(parts.view),
        workloads_(parts.view, parts.authority, parts.register_workload, parts.remove_workload),
        proxies_(parts.view),
        tokens_(parts.tokens, parts.authority),
        credentials_(parts.credentials),
        certificates_(parts.authority, parts.on_change),
        evictions_(parts.authority, parts.tokens, parts.remove_workloads, parts.on_change),
        backups_(parts.store, parts.authority, parts.version),
        check_(parts.view, parts.policies, parts.authority, parts.tokens, parts.store),
        traces_(parts.traces),
        traffic_(parts.traffic),
        events_(parts.events),
        requests_(parts.live),
        taps_(parts.live),
        live_(parts.live, parts.view) {}

  Routes All() {
    Routes all;
    for (Routes routes : {policies_.routes(), history_.routes(), backups_.routes(), mesh_.routes(),
                          workloads_.routes(), proxies_.routes(), tokens_.routes(),
                          credentials_.routes(), certificates_.routes(), evictions_.routes(),
                          check_.routes(), traces_.routes(), traffic_.routes(), events_.routes(),
                          requests_.routes(), taps_.routes(), live_.routes()}) {
      for (Route& route : routes) all.push_back(std::move(route));
    }
    return all;
  }

 private:
  PolicyResource policies_;
  HistoryResource history_;
  MeshResource mesh_;
  WorkloadResource workloads_;
  ProxyResource proxies_;
  TokenResource tokens_;
  CredentialResource credentials_;
  CertificateResource certificates_;
  EvictionResource evictions_;
  BackupResource backups_;
  CheckResource check_;
  TraceResource traces_;
  TrafficResource traffic_;
  EventResource events_;
  RequestResource requests_;
  TapResource taps_;
  LiveProxyResource live_;
};

Api::Api(Parts parts)
    : credentials_(parts.credentials),
      resources_(std::make_unique<Resources>(parts)),
      routes_(resources_->All()) {
  routes_.push_back({"GET", "/v1/version", Access::kOpen,
                     "Show the version of the control plane and the port that serves sidecars",
                     [version = parts.version, view = parts.view](const Call&) {
                       Json json = {{"version", version}};
                       const uint16_t port = view->GrpcPort();
                       if (port != 0) json["grpcPort"] = port;
                       return api::Answer(json);
                     }});
  routes_.push_back({"GET", "/v1/metrics", Access::kReader,
                     "Show the metrics of the control plane: {text}, in Prometheus' format",
                     [this](const Call&) {
                       return api::Answer({{"text", metrics_ ? metrics_() : std::string()}});
                     }});
  routes_.push_back({"GET", "/openapi.json", Access::kOpen, "Show this description",
                     [this, version = parts.version](const Call&) {
                       // Large, and open to everyone: made once.
                       if (description_.body.empty()) description_ = OpenApiOf(routes_, version);
                       return description_;
                     }});
}

Api::~Api() = default;

struct Api::Target {
  const Route* route = nullptr;
  std::vector<std::string> arguments;
  std::optional<Principal> caller;  // absent: the route is open to everyone
  bool awaits_account = false;
  bool is_account = false;  // the caller has shown the token of a service account
};

std::optional<ApiResponse> Api::Find(const ApiRequest& request, Target* target) {
  bool is_known_path = false;
  for (const Route& route : routes_) {
    if (!MatchesPath(route.path, request.path, &target->arguments)) continue;
    is_known_path = true;
    target->route = &route;
    if (route.method == request.method) return Authorize(request, target);
  }
  if (is_known_path) {
    return Refuse(405, "method " + request.method + " is not allowed for this path",
                  "see /openapi.json for the methods of each path");
  }
  return Refuse(404, "path not found", "see /openapi.json for all paths");
}

absl::StatusOr<std::optional<Principal>> Api::CallerOf(const ApiRequest& request, Target* target) {
  const std::string& token = request.account_token;
  if (token.empty() || !request.authorization.empty()) {
    return credentials_->Authenticate(request.authorization);
  }
  if (accounts_ == nullptr) {
    return absl::UnauthenticatedError(
        "tokens of service accounts are for a control plane in a Kubernetes cluster: send "
        "Authorization");
  }
  target->is_account = true;
  if (auto known = accounts_->Find(token)) return *std::move(known);
  target->awaits_account = true;
  return absl::UnavailableError("the token is being reviewed: try again");
}

std::optional<ApiResponse> Api::Authorize(const ApiRequest& request, Target* target) {
  const Route& route = *target->route;
  if (route.access == Access::kOpen) return std::nullopt;
  const auto principal = CallerOf(request, target);
  if (!principal.ok()) return Refuse(principal.status());
  if (!*principal) {
    return Refuse(401, "missing or invalid credential", "send Authorization: Bearer CREDENTIAL");
  }
  target->caller = **principal;
  const bool is_for_admins = route.access != Access::kReader;
  if (is_for_admins && target->caller->role != Role::kAdmin) {
    return Refuse(403, "permission denied: " + target->caller->name + " has the role reader",
                  "use the credential of an admin");
  }
  // Rights that RBAC takes back would live on in a credential, or in a copy of the roots' keys.
  if (route.access == Access::kAdminCredential && target->is_account) {
    return Refuse(403, "permission denied: not with the token of a service account",
                  "in a Kubernetes cluster back up the Secret tulle-ca, and give rights with "
                  "RoleBindings");
  }
  return RefuseUnknownQuery(request, route);
}

ApiVerdict Api::Admit(const ApiRequest& head) {
  Target target;
  auto refusal = Find(head, &target);
  return {std::move(refusal), target.caller.has_value(), target.awaits_account};
}

ApiResponse Api::Handle(const ApiRequest& request, int64_t now) {
  Target target;
  if (auto refusal = Find(request, &target)) return *std::move(refusal);
  return target.route->answer(
      {request, std::move(target.arguments), target.caller.value_or(Principal()), now});
}

}  // namespace tulle::api
