#include "control-plane/api/workload_resource.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "control-plane/api/answers.h"
#include "control-plane/api/change_events.h"
#include "control-plane/api/identity_json.h"
#include "control-plane/api/mesh_resources.h"
#include "control-plane/discovery/workload_json.h"
#include "control-plane/insight/event_subjects.h"

namespace tulle::api {
namespace {

// What a path of the API and a line of a table can show.
bool IsInstanceId(const std::string& id) {
  return !id.empty() && std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_';
  });
}

}  // namespace

Routes WorkloadResource::routes() {
  return {
      {"GET", "/v1/workloads", Access::kReader, "List registered workloads",
       By(this, &WorkloadResource::List)},
      {"POST",
       "/v1/workloads",
       Access::kAdmin,
       "Register a workload whose proxy does not register itself, such as Envoy, replacing one of "
       "the same id: {account, namespace, id, address, services, inbound, outbound}. It gets "
       "traffic while its proxy is connected by xDS",
       By(this, &WorkloadResource::Create),
       {},
       kJsonBody},
      {"DELETE", "/v1/workloads/{id}", Access::kAdmin,
       "Remove a workload that was registered by POST", By(this, &WorkloadResource::Delete)},
  };
}

ApiResponse WorkloadResource::List(const Call&) {
  Json json = {{"items", Json::array()}};
  for (const auto& [id, workload] : view_->CurrentMesh().workloads) {
    Json each = Json::parse(discovery::WorkloadToJson(workload));
    each["health"] = HealthText(workload.health);
    json["items"].push_back(std::move(each));
  }
  return Answer(json);
}

ApiResponse WorkloadResource::Create(const Call& call) {
  Json json;
  ApiResponse refusal;
  std::optional<certs::SpiffeId> identity;
  if (!ReadObject(call.request,
                  {"account", "namespace", "id", "address", "services", "inbound", "outbound"},
                  &json, &refusal) ||
      !ReadIdentity(json, authority_->trust_domain(), &identity, &refusal)) {
    return refusal;
  }
  json.erase("account");
  json["spiffeId"] = identity->ToString();
  auto workload = discovery::WorkloadFromJson(json.dump());
  if (!workload.ok()) return Refuse(workload.status());
  const std::string id = workload->id;
  if (!IsInstanceId(id)) {
    return Refuse(400, "invalid instance name \"" + id + "\"", "use letters, digits, -, . and _",
                  "id");
  }
  const Json shown = Json::parse(discovery::WorkloadToJson(*workload));
  const absl::Status status =
      register_ ? register_(*std::move(workload)) : absl::UnavailableError("there is no registry");
  if (!status.ok()) return Refuse(status);
  ApiResponse response = Answer(shown, 201);
  response.event = call.caller.name + " registered " + id + " as " + identity->ToString();
  response.happened = {EventBy(call, "WorkloadRegistered",
                               insight::ProxySubject(id, "", identity->ToString()),
                               "registered it")};
  return response;
}

ApiResponse WorkloadResource::Delete(const Call& call) {
  const absl::Status status =
      remove_ ? remove_(call.arguments[0]) : absl::UnavailableError("there is no registry");
  if (!status.ok()) return Refuse(status);
  ApiResponse response = Answer({{"id", call.arguments[0]}, {"action", "removed"}});
  response.event = call.caller.name + " removed " + call.arguments[0];
  response.happened = {
      EventBy(call, "WorkloadRemoved", {"Proxy", "", call.arguments[0]}, "removed it")};
  return response;
}

}  // namespace tulle::api
