#include "control-plane/api/api.h"

#include "control-plane/api/call.h"

namespace tulle::api {

struct Api::Route {
  std::string_view method;
  std::string_view pattern;  // {} is one segment
  Handler handler;
  std::string_view query = "";  // the parameters it takes, each between spaces
  bool is_open = false;         // answers without a credential
};

const std::vector<Api::Route>& Api::Routes() {
  static const std::vector<Route> routes = {
      {"POST", "/v1/apply", &Api::Apply, " dryRun file namespace "},
      {"POST", "/v1/delete", &Api::DeletePolicies, " dryRun "},
      {"GET", "/v1/policies", &Api::ListPolicies, " namespace "},
      {"GET", "/v1/policies/{}", &Api::ListPolicies, " namespace "},
      {"GET", "/v1/policies/{}/{}/{}", &Api::GetPolicy},
      {"DELETE", "/v1/policies/{}/{}/{}", &Api::DeletePolicy},
      {"GET", "/v1/policies/{}/{}/{}/history", &Api::PolicyHistory},
      {"GET", "/v1/history", &Api::History},
      {"POST", "/v1/rollback", &Api::RollBack, " dryRun "},
      {"POST", "/v1/backup", &Api::Backup},
      {"GET", "/v1/services", &Api::ListServices, " namespace "},
      {"GET", "/v1/hosts", &Api::ListHosts, " namespace "},
      {"GET", "/v1/workloads", &Api::ListWorkloads},
      {"GET", "/v1/proxies", &Api::ListProxies},
      {"GET", "/v1/proxies/{}", &Api::GetProxy},
      {"GET", "/v1/proxies/{}/config/{}", &Api::ProxyConfig},
      {"POST", "/v1/tokens", &Api::CreateToken},
      {"GET", "/v1/tokens", &Api::ListTokens},
      {"DELETE", "/v1/tokens/{}", &Api::RevokeToken},
      {"POST", "/v1/credentials", &Api::CreateCredential},
      {"GET", "/v1/credentials", &Api::ListCredentials},
      {"DELETE", "/v1/credentials/{}", &Api::DeleteCredential},
      {"GET", "/v1/certs", &Api::ShowRoots},
      {"POST", "/v1/certs/issue", &Api::IssueCertificate},
      {"POST", "/v1/certs/rotate", &Api::RotateRoot},
      {"GET", "/v1/check", &Api::Check},
      {"GET", "/v1/traces", &Api::ListTraces, " limit "},
      {"GET", "/v1/traces/{}", &Api::GetTrace},
      {"GET", "/v1/version", &Api::Version, "", true},
      {"GET", "/openapi.json", &Api::OpenApi, "", true},
  };
  return routes;
}

namespace {

std::string_view TakeSegment(std::string_view* path) {
  path->remove_prefix(1);
  const std::string_view segment = path->substr(0, path->find('/'));
  path->remove_prefix(segment.size());
  return segment;
}

bool MatchesPattern(std::string_view pattern, std::string_view path,
                    std::vector<std::string>* arguments) {
  arguments->clear();
  while (!pattern.empty() && !path.empty()) {
    if (pattern[0] != '/' || path[0] != '/') return false;
    const std::string_view wanted = TakeSegment(&pattern);
    const std::string_view segment = TakeSegment(&path);
    if (wanted == "{}") {
      if (segment.empty()) return false;
      arguments->emplace_back(segment);
    } else if (wanted != segment) {
      return false;
    }
  }
  return pattern.empty() && path.empty();
}

// What is not understood might have been the part that mattered, like a dry run.
std::optional<ApiResponse> RefuseUnknownQuery(const ApiRequest& request, std::string_view known) {
  for (const auto& [name, value] : request.query) {
    if (name.find(' ') == std::string::npos &&
        known.find(" " + name + " ") != std::string_view::npos) {
      continue;
    }
    return Refuse(400, "this path takes no parameter \"" + name + "\"",
                  known.empty() ? "it takes none" : "it takes" + std::string(known), name);
  }
  return std::nullopt;
}

}  // namespace

ApiResponse Api::Handle(const ApiRequest& request, int64_t now) {
  bool is_known_path = false;
  std::vector<std::string> arguments;
  for (const Route& route : Routes()) {
    if (!MatchesPattern(route.pattern, request.path, &arguments)) continue;
    is_known_path = true;
    if (route.method != request.method) continue;
    Call call{request, arguments, {}, now};
    if (route.is_open) return (this->*route.handler)(call);
    const auto principal = parts_.credentials->Authenticate(request.authorization);
    if (!principal.ok()) return Refuse(principal.status());
    if (!*principal) {
      return Refuse(401, "no valid credential", "send Authorization: Bearer CREDENTIAL");
    }
    call.caller = **principal;
    if (route.method != "GET" && call.caller.role != Role::kAdmin) {
      return Refuse(403, call.caller.name + " is a reader and may change nothing",
                    "use an admin's credential");
    }
    if (auto refusal = RefuseUnknownQuery(request, route.query)) return *refusal;
    return (this->*route.handler)(call);
  }
  if (is_known_path)
    return Refuse(405, "this path does not take " + request.method, "see /openapi.json");
  return Refuse(404, "there is nothing at this path", "see /openapi.json for those there are");
}

}  // namespace tulle::api
