#include <algorithm>
#include <ctime>
#include <set>

#include "control-plane/api/call.h"
#include "control-plane/discovery/known_services.h"
#include "control-plane/policy/canonical_json.h"
#include "control-plane/policy/ineffective.h"

namespace tulle::api {
namespace {

using discovery::PolicyChange;

const char* TextOf(PolicyChange::Action action) {
  switch (action) {
    case PolicyChange::Action::kCreated:
      return "created";
    case PolicyChange::Action::kChanged:
      return "changed";
    case PolicyChange::Action::kDeleted:
      return "deleted";
    case PolicyChange::Action::kUnchanged:
      break;
  }
  return "unchanged";
}

std::string UtcTime(int64_t seconds) {
  const time_t time = seconds;
  tm parts{};
  char text[sizeof("2026-11-21T15:04:05Z")];
  if (gmtime_r(&time, &parts) == nullptr) return "";
  return std::string(text, strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts));
}

Json DocumentJson(const policy::Document& document, const discovery::PolicyBook& book) {
  Json json = Json::parse(policy::ToJson(document));
  const int64_t created_at = book.CreatedAt(document.key);
  if (created_at != 0) json["metadata"]["creationTimestamp"] = UtcTime(created_at);
  return json;
}

Json OutcomeJson(const discovery::ApplyOutcome& outcome, bool is_dry_run) {
  Json json = {{"revision", outcome.revision}, {"dryRun", is_dry_run}, {"changes", Json::array()}};
  for (const PolicyChange& change : outcome.changes) {
    Json each = {{"kind", std::string(policy::ToText(change.key.kind))},
                 {"namespace", change.key.ns},
                 {"name", change.key.name},
                 {"action", TextOf(change.action)}};
    // As YAML: what a person compares line by line.
    if (is_dry_run && change.before) each["before"] = policy::ToYaml(*change.before);
    if (is_dry_run && change.after) each["after"] = policy::ToYaml(*change.after);
    json["changes"].push_back(std::move(each));
  }
  return json;
}

// "ann changed HTTPRoute default/post, deleted ...; revision 7"
std::string EventOf(const discovery::ApplyOutcome& outcome, const std::string& author) {
  std::string changes;
  for (const PolicyChange& change : outcome.changes) {
    if (change.action == PolicyChange::Action::kUnchanged) continue;
    changes += (changes.empty() ? " " : ", ") + std::string(TextOf(change.action)) + " " +
               policy::ToText(change.key);
  }
  if (changes.empty()) return "";
  return author + changes + "; revision " + std::to_string(outcome.revision);
}

ApiResponse RefuseKind(const std::string& kind) {
  return Refuse(404, "\"" + kind + "\" is no kind of policy",
                "one of HTTPRoute, ResiliencePolicy, AuthorizationPolicy, PeerAuthentication, "
                "ExternalService, TelemetryPolicy, EgressPolicy");
}

// What of the documents just applied has no effect as the mesh is now.
Json WarningsOf(const discovery::ApplyOutcome& outcome, policy::PolicySet policies,
                const discovery::Mesh& mesh) {
  std::set<policy::DocumentKey> applied;
  for (const PolicyChange& change : outcome.changes) {
    if (!change.after) continue;
    applied.insert(change.key);
    policies.Upsert(*change.after);  // of a dry run it is not there yet
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
    *refusal = Refuse(400, "is no object", "send {kind, namespace, name}", "items");
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

ApiResponse Api::Apply(const Call& call) {
  bool is_dry_run = false;
  ApiResponse refusal;
  if (!ReadFlag(call.request, "dryRun", &is_dry_run, &refusal)) return refusal;
  const std::string file = call.QueryOr("file", "body");
  const std::string ns = call.QueryOr("namespace", std::string(policy::kDefaultNamespace));
  const auto outcome =
      parts_.policies->Apply({call.request.body, file, ns}, is_dry_run, call.caller.name, call.now);
  if (!outcome.ok()) return Refuse(outcome.status());
  if (!outcome->problems.empty()) return Refuse(outcome->problems);
  Json answer = OutcomeJson(*outcome, is_dry_run);
  answer["warnings"] =
      WarningsOf(*outcome, parts_.policies->policies(), parts_.view->CurrentMesh());
  ApiResponse response = Answer(answer);
  if (is_dry_run) return response;
  response.event = EventOf(*outcome, call.caller.name);
  parts_.on_change();
  return response;
}

ApiResponse Api::ListPolicies(const Call& call) {
  std::optional<policy::Kind> kind;
  if (!call.arguments.empty()) {
    kind = policy::ParseKind(call.arguments[0]);
    if (!kind) return RefuseKind(call.arguments[0]);
  }
  const std::string ns = call.QueryOr("namespace", "");
  Json json = {{"revision", parts_.policies->revision()}, {"items", Json::array()}};
  for (const auto& [key, document] : parts_.policies->policies().documents()) {
    if ((kind && key.kind != *kind) || (!ns.empty() && key.ns != ns)) continue;
    json["items"].push_back(DocumentJson(*document, *parts_.policies));
  }
  return Answer(json);
}

ApiResponse Api::GetPolicy(const Call& call) {
  const auto kind = policy::ParseKind(call.arguments[0]);
  if (!kind) return RefuseKind(call.arguments[0]);
  const policy::DocumentKey key{*kind, call.arguments[1], call.arguments[2]};
  const policy::Document* document = parts_.policies->policies().Find(key);
  if (document == nullptr) {
    return Refuse(404, "there is no " + policy::ToText(key),
                  "see `" + discovery::CommandToList(key) + "` for those there are");
  }
  return Answer(DocumentJson(*document, *parts_.policies));
}

ApiResponse Api::DeletePolicy(const Call& call) {
  const auto kind = policy::ParseKind(call.arguments[0]);
  if (!kind) return RefuseKind(call.arguments[0]);
  const auto outcome = parts_.policies->Delete({{*kind, call.arguments[1], call.arguments[2]}},
                                               false, call.caller.name, call.now);
  if (!outcome.ok()) return Refuse(outcome.status());
  parts_.on_change();
  ApiResponse response = Answer(OutcomeJson(*outcome, false));
  response.event = EventOf(*outcome, call.caller.name);
  return response;
}

ApiResponse Api::DeletePolicies(const Call& call) {
  Json json;
  ApiResponse refusal;
  bool is_dry_run = false;
  if (!ReadObject(call.request, {"items"}, &json, &refusal) ||
      !ReadFlag(call.request, "dryRun", &is_dry_run, &refusal)) {
    return refusal;
  }
  const Json list = json.value("items", Json());
  if (!list.is_array() || list.empty()) {
    return Refuse(400, "names nothing to delete", "send [{kind, namespace, name}, ...]", "items");
  }
  std::vector<policy::DocumentKey> found;
  Json missing = Json::array();
  for (const Json& each : list) {
    policy::DocumentKey key;
    if (!ReadKey(each, &key, &refusal)) return refusal;
    if (parts_.policies->Holds(key)) {
      found.push_back(key);
    } else {
      missing.push_back({{"kind", std::string(policy::ToText(key.kind))},
                         {"namespace", key.ns},
                         {"name", key.name},
                         {"list", discovery::CommandToList(key)}});
    }
  }
  const auto outcome = parts_.policies->Delete(found, is_dry_run, call.caller.name, call.now);
  if (!outcome.ok()) return Refuse(outcome.status());
  Json answer = OutcomeJson(*outcome, is_dry_run);
  answer["missing"] = missing;
  ApiResponse response = Answer(answer);
  if (is_dry_run || outcome->changes.empty()) return response;
  response.event = EventOf(*outcome, call.caller.name);
  parts_.on_change();
  return response;
}

ApiResponse Api::History(const Call&) {
  constexpr size_t kMostShown = 100;
  const auto history = parts_.policies->AllHistory();
  if (!history.ok()) return Refuse(history.status());
  Json items = Json::array();
  for (auto past = history->begin(); past != history->end(); ++past) {
    const bool is_same = !items.empty() && items.back()["revision"] == past->revision;
    if (!is_same && items.size() >= kMostShown) break;
    if (!is_same) {
      items.push_back({{"revision", past->revision},
                       {"at", past->at},
                       {"author", past->author},
                       {"changes", Json::array()}});
    }
    const auto before = std::find_if(past + 1, history->end(), [&](const store::PastRecord& each) {
      return each.key == past->key;
    });
    const bool is_new = before == history->end() || !before->value;
    const size_t slash = past->key.find('/');
    const size_t last = past->key.rfind('/');
    items.back()["changes"].push_back({{"kind", past->key.substr(0, slash)},
                                       {"namespace", past->key.substr(slash + 1, last - slash - 1)},
                                       {"name", past->key.substr(last + 1)},
                                       {"action", !past->value ? "deleted"
                                                  : is_new     ? "created"
                                                               : "changed"}});
  }
  return Answer({{"items", items}});
}

// {"revision", "kind", "namespace", "name"}: which policy, if one, and when.
bool Api::ReadEarlier(const Call& call, discovery::PolicyBook::Earlier* to, ApiResponse* refusal) {
  Json json;
  std::string kind_text, ns, name;
  if (!ReadObject(call.request, {"revision", "kind", "namespace", "name"}, &json, refusal) ||
      !ReadText(json, "kind", &kind_text, refusal) || !ReadText(json, "namespace", &ns, refusal) ||
      !ReadText(json, "name", &name, refusal)) {
    return false;
  }
  if (json.contains("revision")) {
    const Json& revision = json["revision"];
    if (!revision.is_number_integer() || revision.get<int64_t>() <= 0) {
      *refusal = Refuse(400, "is no whole number from 1", "see `tullectl history`", "revision");
      return false;
    }
    to->revision = revision.get<int64_t>();
  }
  if (!json.contains("kind") && !json.contains("namespace") && !json.contains("name")) return true;
  // Half a name must not mean all policies.
  for (const auto& [field, text] : {std::pair("kind", kind_text), std::pair("name", name)}) {
    if (!text.empty()) continue;
    *refusal =
        Refuse(400, "is missing",
               "send kind and name of one policy, or neither to roll back all of them", field);
    return false;
  }
  const auto kind = policy::ParseKind(kind_text);
  if (!kind) {
    *refusal = RefuseKind(kind_text);
    return false;
  }
  to->key =
      policy::DocumentKey{*kind, ns.empty() ? std::string(policy::kDefaultNamespace) : ns, name};
  return true;
}

ApiResponse Api::RollBack(const Call& call) {
  ApiResponse refusal;
  discovery::PolicyBook::Earlier to;
  bool is_dry_run = false;
  if (!ReadEarlier(call, &to, &refusal) ||
      !ReadFlag(call.request, "dryRun", &is_dry_run, &refusal)) {
    return refusal;
  }
  const auto outcome = parts_.policies->RollBack(to, is_dry_run, call.caller.name, call.now);
  if (!outcome.ok()) return Refuse(outcome.status());
  if (!outcome->problems.empty()) return Refuse(outcome->problems);
  ApiResponse response = Answer(OutcomeJson(*outcome, is_dry_run));
  if (is_dry_run) return response;
  response.event = EventOf(*outcome, call.caller.name + " rolled back:");
  parts_.on_change();
  return response;
}

ApiResponse Api::PolicyHistory(const Call& call) {
  const auto kind = policy::ParseKind(call.arguments[0]);
  if (!kind) return RefuseKind(call.arguments[0]);
  const auto history = parts_.policies->History({*kind, call.arguments[1], call.arguments[2]});
  if (!history.ok()) return Refuse(history.status());
  Json json = {{"items", Json::array()}};
  for (const store::PastRecord& past : *history) {
    Json each = {{"revision", past.revision}, {"at", past.at}, {"author", past.author}};
    each["policy"] = past.value ? Json::parse(*past.value) : Json();
    json["items"].push_back(std::move(each));
  }
  return Answer(json);
}

}  // namespace tulle::api
