#include <algorithm>

#include "control-plane/api/answers.h"
#include "control-plane/api/change_events.h"
#include "control-plane/api/policy_change.h"
#include "control-plane/api/policy_resources.h"

namespace tulle::api {

Routes HistoryResource::routes() {
  return {
      {"GET", "/v1/policies/{kind}/{namespace}/{name}/history", Access::kReader,
       "List the versions of a policy, newest first", By(this, &HistoryResource::HistoryOfOne)},
      {"GET", "/v1/history", Access::kReader, "List changes of policies, newest first",
       By(this, &HistoryResource::All)},
      {"POST",
       "/v1/rollback",
       Access::kAdmin,
       "Restore policies as they were after a revision: {revision, kind, namespace, name}. Without "
       "a revision: before the last change. Without a kind: all policies.",
       By(this, &HistoryResource::RollBack),
       {kDryRun},
       kJsonBody},
  };
}

ApiResponse HistoryResource::All(const Call&) {
  constexpr size_t kMostShown = 100;
  const auto history = policies_->AllHistory();
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

// {"revision", "kind", "namespace", "name"}: the revision to return to, of one policy or of all.
bool HistoryResource::ReadEarlier(const Call& call, discovery::PolicyBook::Earlier* to,
                                  ApiResponse* refusal) {
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
      *refusal = Refuse(400, "invalid revision",
                        "must be a whole number from 1; see `tullectl history`", "revision");
      return false;
    }
    to->revision = revision.get<int64_t>();
  }
  if (!json.contains("kind") && !json.contains("namespace") && !json.contains("name")) return true;
  // An incomplete name must not mean all policies.
  for (const auto& [field, text] : {std::pair("kind", kind_text), std::pair("name", name)}) {
    if (!text.empty()) continue;
    *refusal =
        Refuse(400, "required field is missing",
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

ApiResponse HistoryResource::RollBack(const Call& call) {
  ApiResponse refusal;
  discovery::PolicyBook::Earlier to;
  bool is_dry_run = false;
  if (!ReadEarlier(call, &to, &refusal) ||
      !ReadFlag(call.request, "dryRun", &is_dry_run, &refusal)) {
    return refusal;
  }
  const auto would = policies_->RollBack(to, /*is_dry_run=*/true, call.caller.name, call.now);
  if (!would.ok()) return Refuse(would.status());
  if (auto refused = RefuseKindsOfCluster(*would, *view_)) return *std::move(refused);
  const auto outcome =
      is_dry_run ? would : policies_->RollBack(to, false, call.caller.name, call.now);
  if (!outcome.ok()) return Refuse(outcome.status());
  if (!outcome->problems.empty()) return Refuse(outcome->problems);
  ApiResponse response = Answer(OutcomeJson(*outcome, is_dry_run));
  if (is_dry_run) return response;
  response.event = EventOf(*outcome, call.caller.name + " rolled back:");
  response.happened = PolicyEvents(call, *outcome);
  on_change_();
  return response;
}

ApiResponse HistoryResource::HistoryOfOne(const Call& call) {
  const auto kind = policy::ParseKind(call.arguments[0]);
  if (!kind) return RefuseKind(call.arguments[0]);
  const auto history = policies_->History({*kind, call.arguments[1], call.arguments[2]});
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
