#include "control-plane/api/answers.h"
#include "control-plane/api/breaker_json.h"
#include "control-plane/api/mesh_resources.h"
#include "control-plane/snapshot/describe.h"

namespace tulle::api {
namespace {

Json ProxyJson(const ProxyStatus& proxy, const registry::OpenBreakers& breakers) {
  Json json = {{"name", proxy.name},
               {"spiffeId", proxy.spiffe_id},
               {"address", proxy.address},
               {"connected", proxy.is_connected},
               {"connectedSince", proxy.connected_since},
               {"certificateNotAfter", proxy.certificate_not_after},
               {"sentVersion", proxy.sent_version},
               {"acknowledgedVersion", proxy.acknowledged_version},
               {"synced", proxy.is_synced},
               {"types", Json::array()}};
  if (!proxy.pod.empty()) json["pod"] = proxy.pod;
  if (!proxy.program.empty()) json["program"] = proxy.program;
  for (const ProxyStatus::TypeStatus& type : proxy.types) {
    Json each = {{"type", type.type},
                 {"sentVersion", type.sent_version},
                 {"acknowledgedVersion", type.acknowledged_version}};
    if (!type.rejection.empty()) {
      each["rejection"] = type.rejection;
      each["rejectedResource"] = type.rejected_resource;
      json["rejection"] = type.rejection;
    }
    json["types"].push_back(std::move(each));
  }
  if (!proxy.problems.empty()) json["problems"] = proxy.problems;
  const registry::OpenBreakers::Report& open = breakers.Of(proxy.name);
  if (open.count == 0) return json;
  json["openBreakerCount"] = open.count;
  json["openBreakers"] = Json::array();
  for (const registry::OpenBreaker& breaker : open.items)
    json["openBreakers"].push_back(BreakerJson(breaker));
  return json;
}

}  // namespace

Routes ProxyResource::routes() {
  return {
      {"GET", "/v1/proxies", Access::kReader,
       "List proxies: connection, acknowledged versions, rejections, certificate expiry",
       By(this, &ProxyResource::List)},
      {"GET", "/v1/proxies/{name}", Access::kReader, "Show a proxy", By(this, &ProxyResource::Get)},
      {"GET", "/v1/proxies/{name}/config/{part}", Access::kReader,
       "Show the configuration of a proxy: listeners, routes, clusters, endpoints or secrets "
       "(without private keys)",
       By(this, &ProxyResource::Config)},
  };
}

// As the others, but for the time between the slices: a proxy that comes or goes meanwhile may be
// missing, none comes twice.
ApiResponse ProxyResource::List(const Call&) {
  ApiResponse response{200, R"({"items":[)"};
  response.more = [view = view_, after = std::string()](std::string* body) mutable {
    const auto proxies = view->Proxies({ControlPlaneView::Detail::kAll, after, kProxiesPerTurn});
    for (const ProxyStatus& proxy : proxies) {
      if (!after.empty()) *body += ',';
      *body += Dump(ProxyJson(proxy, view->OpenBreakers()));
      after = proxy.name;
    }
    if (proxies.size() == kProxiesPerTurn) return true;
    *body += "]}";
    return false;
  };
  return response;
}

ApiResponse ProxyResource::Get(const Call& call) {
  const auto proxy = view_->ProxyNamed(call.arguments[0]);
  return proxy ? Answer(ProxyJson(*proxy, view_->OpenBreakers())) : RefuseProxy(call.arguments[0]);
}

ApiResponse ProxyResource::Config(const Call& call) {
  const std::string_view type = snapshot::TypeUrlOf(call.arguments[1]);
  if (type.empty()) {
    return Refuse(404, "unknown part \"" + call.arguments[1] + "\" of a proxy's configuration",
                  "known parts: listeners, routes, clusters, endpoints, secrets");
  }
  if (!view_->ProxyNamed(call.arguments[0])) return RefuseProxy(call.arguments[0]);
  Json json = {{"proxy", call.arguments[0]}, {"items", Json::array()}};
  for (const auto& [name, resource] : view_->ConfigOf(call.arguments[0], type)) {
    json["items"].push_back({{"name", name},
                             {"version", resource->version},
                             {"resource", Json::parse(snapshot::DescribeAsJson(type, *resource))}});
  }
  return Answer(json);
}

}  // namespace tulle::api
