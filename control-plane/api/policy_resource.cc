#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control-plane/api/answers.h"
#include "control-plane/api/change_events.h"
#include "control-plane/api/policy_change.h"
#include "control-plane/api/policy_resources.h"
#include "control-plane/discovery/known_services.h"
#include "control-plane/policy/canonical_json.h"
#include "control-plane/policy/ineffective.h"
#include "control-plane/policy/kinds.h"

namespace tulle::api {
namespace {

using discovery::PolicyChange;

Json DocumentJson(const policy::Document& document, const discovery::PolicyBook& book) {
  Json json = Json::parse(policy::ToJson(document));
  const int64_t created_at = book.CreatedAt(document.key);
  if (created_at != 0) json["metadata"]["creationTimestamp"] = UtcTime(created_at);
  const int64_t version = book.VersionOf(document.key);
  if (version != 0) json["metadata"]["resourceVersion"] = std::to_string(version);
  return json;
}

// One that is read from a Kubernetes cluster: `status` says so, which is ignored when a policy is
// applied.
Json ClusterDocumentJson(const policy::Document& document) {
  Json json = Json::parse(policy::ToJson(document));
  if (document.created_at != 0) {
    json["metadata"]["creationTimestamp"] = UtcTime(document.created_at);
  }
  json["status"]["origin"] = "Kubernetes";
  return json;
}

// Parts of the documents just applied that have no effect in the mesh as it is now.
Json WarningsOf(const discovery::ApplyOutcome& outcome, policy::PolicySet policies,
                const discovery::Mesh& mesh) {
  std::set<policy::DocumentKey> applied;
  for (const PolicyChange& change : outcome.changes) {
    if (!change.after) continue;
    applied.insert(change.key);
    policies.Upsert(*change.after);  // a dry run has not stored it
  }
  Json warnings = Json::array();
  for (const policy::Ineffective& each :
       policy::FindIneffective(policies, discovery::KnownServicesOf(mesh))) {
    if (!applied.contains(each.policy)) continue;
    warnings.push_back({{"kind", std::string(policy::ToText(each.policy.kind))},
                        {"namespace", each.policy.ns},
                        {"name", each.policy.name},
                        {"field", each.field},
                        {"warning", each.message},
                        {"hint", each.hint}});
  }
  return warnings;
}

// {"kind", "namespace", "name"}
bool ReadKey(const Json& json, policy::DocumentKey* key, ApiResponse* refusal) {
  std::string kind_text;
  key->ns = std::string(policy::kDefaultNamespace);
  if (!json.is_object()) {
    *refusal = Refuse(400, "expected an object", "send {kind, namespace, name}", "items");
    return false;
  }
  if (!ReadText(json, "kind", &kind_text, refusal) ||
      !ReadText(json, "namespace", &key->ns, refusal) ||
      !ReadText(json, "name", &key->name, refusal)) {
    return false;
  }
  const auto kind = policy::ParseKind(kind_text);
  if (!kind) {
    *refusal = RefuseKind(kind_text);
    return false;
  }
  key->kind = *kind;
  return true;
}

}  // namespace

Routes PolicyResource::routes() {
  constexpr QueryParameter kNamespace = {"namespace", "only policies of this namespace"};
  return {
      {"POST",
       "/v1/apply",
       Access::kAdmin,
       "Validate and store the policies of a file, all of them or none. `warnings` lists parts "
       "that "
       "have no effect yet.",
       By(this, &PolicyResource::Apply),
       {kDryRun,
        {"file", "name of the file, shown in errors"},
        {"namespace", "namespace of policies that name none"}},
       kYamlBody},
      {"POST",
       "/v1/delete",
       Access::kAdmin,
       "Delete policies in one change: {items: [{kind, namespace, name}]}. `missing` lists those "
       "that do not exist.",
       By(this, &PolicyResource::DeleteAll),
       {kDryRun},
       kJsonBody},
      {"GET",
       "/v1/policies",
       Access::kReader,
       "List policies",
       By(this, &PolicyResource::List),
       {kNamespace}},
      {"GET",
       "/v1/policies/{kind}",
       Access::kReader,
       "List policies of one kind",
       By(this, &PolicyResource::List),
       {kNamespace}},
      {"GET", "/v1/policies/{kind}/{namespace}/{name}", Access::kReader, "Show a policy",
       By(this, &PolicyResource::Get)},
      {"DELETE", "/v1/policies/{kind}/{namespace}/{name}", Access::kAdmin, "Delete a policy",
       By(this, &PolicyResource::Delete)},
  };
}

ApiResponse PolicyResource::Apply(const Call& call) {
  bool is_dry_run = false;
  ApiResponse refusal;
  if (!ReadFlag(call.request, "dryRun", &is_dry_run, &refusal)) return refusal;
  const std::string file = call.QueryOr("file", "body");
  const std::string ns = call.QueryOr("namespace", std::string(policy::kDefaultNamespace));
  const discovery::PolicyBook::File text{call.request.body, file, ns};
  const auto would = policies_->Apply(text, /*is_dry_run=*/true, call.caller.name, call.now);
  if (!would.ok()) return Refuse(would.status());
  if (auto refused = RefuseKindsOfCluster(*would, *view_)) return *std::move(refused);
  const auto outcome =
      is_dry_run ? would : policies_->Apply(text, false, call.caller.name, call.now);
  if (!outcome.ok()) return Refuse(outcome.status());
  if (!outcome->problems.empty()) return Refuse(outcome->problems);
  Json answer = OutcomeJson(*outcome, is_dry_run);
  answer["warnings"] = WarningsOf(*outcome, policies_->policies(), view_->CurrentMesh());
  ApiResponse response = Answer(answer);
  if (is_dry_run) return response;
  response.event = EventOf(*outcome, call.caller.name);
  response.happened = PolicyEvents(call, *outcome);
  on_change_();
  return response;
}

std::optional<ApiResponse> PolicyResource::RefuseThoseOfCluster(
    const std::vector<policy::DocumentKey>& keys) const {
  for (const policy::DocumentKey& key : keys) {
    const bool is_of_cluster = view_->ClusterPolicies().Find(key) != nullptr;
    if (!is_of_cluster || policies_->Holds(key)) continue;
    return Refuse(409, absl::StrCat(policy::ToText(key), " belongs to the Kubernetes API server"),
                  absl::StrCat("use `kubectl -n ", key.ns, " delete ",
                               std::string(policy::EntryOf(key.kind).plural), " ", key.name, "`"));
  }
  return std::nullopt;
}

ApiResponse PolicyResource::List(const Call& call) {
  std::optional<policy::Kind> kind;
  if (!call.arguments.empty()) {
    kind = policy::ParseKind(call.arguments[0]);
    if (!kind) return RefuseKind(call.arguments[0]);
  }
  const std::string ns = call.QueryOr("namespace", "");
  Json json = {{"revision", policies_->revision()}, {"items", Json::array()}};
  const policy::PolicySet& of_cluster = view_->ClusterPolicies();
  auto documents = of_cluster.documents();  // they are in force where both have one
  const auto& stored = policies_->policies().documents();
  documents.insert(stored.begin(), stored.end());
  for (const auto& [key, document] : documents) {
    if ((kind && key.kind != *kind) || (!ns.empty() && key.ns != ns)) continue;
    json["items"].push_back(of_cluster.Find(key) == nullptr ? DocumentJson(*document, *policies_)
                                                            : ClusterDocumentJson(*document));
  }
  return Answer(json);
}

ApiResponse PolicyResource::Get(const Call& call) {
  const auto kind = policy::ParseKind(call.arguments[0]);
  if (!kind) return RefuseKind(call.arguments[0]);
  const policy::DocumentKey key{*kind, call.arguments[1], call.arguments[2]};
  if (const policy::Document* document = view_->ClusterPolicies().Find(key)) {
    return Answer(ClusterDocumentJson(*document));
  }
  const policy::Document* document = policies_->policies().Find(key);
  if (document == nullptr) {
    return Refuse(404, policy::ToText(key) + " not found",
                  "list policies with `" + discovery::CommandToList(key) + "`");
  }
  return Answer(DocumentJson(*document, *policies_));
}

ApiResponse PolicyResource::Delete(const Call& call) {
  const auto kind = policy::ParseKind(call.arguments[0]);
  if (!kind) return RefuseKind(call.arguments[0]);
  const policy::DocumentKey key{*kind, call.arguments[1], call.arguments[2]};
  if (auto refused = RefuseThoseOfCluster({key})) return *std::move(refused);
  const auto outcome = policies_->Delete({key}, false, call.caller.name, call.now);
  if (!outcome.ok()) return Refuse(outcome.status());
  on_change_();
  ApiResponse response = Answer(OutcomeJson(*outcome, false));
  response.event = EventOf(*outcome, call.caller.name);
  response.happened = PolicyEvents(call, *outcome);
  return response;
}

ApiResponse PolicyResource::DeleteAll(const Call& call) {
  Json json;
  ApiResponse refusal;
  bool is_dry_run = false;
  if (!ReadObject(call.request, {"items"}, &json, &refusal) ||
      !ReadFlag(call.request, "dryRun", &is_dry_run, &refusal)) {
    return refusal;
  }
  const Json list = json.value("items", Json());
  if (!list.is_array() || list.empty()) {
    return Refuse(400, list.is_null() ? "required field is missing" : "expected a list of policies",
                  "send a list of {kind, namespace, name}", "items");
  }
  std::vector<policy::DocumentKey> found;
  Json missing = Json::array();
  for (const Json& each : list) {
    policy::DocumentKey key;
    if (!ReadKey(each, &key, &refusal)) return refusal;
    if (auto refused = RefuseThoseOfCluster({key})) return *std::move(refused);
    if (policies_->Holds(key)) {
      found.push_back(key);
    } else {
      missing.push_back({{"kind", std::string(policy::ToText(key.kind))},
                         {"namespace", key.ns},
                         {"name", key.name},
                         {"list", discovery::CommandToList(key)}});
    }
  }
  const auto outcome = policies_->Delete(found, is_dry_run, call.caller.name, call.now);
  if (!outcome.ok()) return Refuse(outcome.status());
  Json answer = OutcomeJson(*outcome, is_dry_run);
  answer["missing"] = missing;
  ApiResponse response = Answer(answer);
  if (is_dry_run || outcome->changes.empty()) return response;
  response.event = EventOf(*outcome, call.caller.name);
  response.happened = PolicyEvents(call, *outcome);
  on_change_();
  return response;
}

}  // namespace tulle::api
