#include "control-plane/cli/cluster_policy_commands.h"

#include <yaml-cpp/yaml.h>

#include <chrono>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control-plane/cli/cluster_login.h"
#include "control-plane/cli/cluster_objects.h"
#include "control-plane/cli/kinds.h"
#include "control-plane/cli/policy_text.h"
#include "control-plane/cli/user_error.h"
#include "control-plane/cli/yaml_tree.h"
#include "control-plane/policy/names.h"

namespace tulle::cli {
namespace {

constexpr auto kAskAgain = std::chrono::milliseconds(200);
constexpr int kMostAsked = 25;  // times: 5 s

// A document of the files: what it is, and what was written.
struct Wish {
  ObjectKey key;
  Json object;
  std::string place;  // "shop.yaml:12"
};

// One of them as it was and as the API server would have it.
struct Change {
  const Wish* wish;
  Json before;  // null: it does not exist
  Json after;

  const char* action() const {
    if (before.is_null()) return "created";
    return WrittenPart(before) == WrittenPart(after) ? "unchanged" : "changed";
  }
};

ClusterObjects ObjectsOf(Session& session, KubernetesApi& api) {
  const auto destination = session.ResolvedDestination();
  return {api, destination.ok() && destination->login ? Describe(*destination->login) : ""};
}

std::string ShortNameOf(const ObjectKey& key) {
  return ShortName(std::string(policy::EntryOf(key.kind).name), key.name);
}

std::string NamespaceNote(const std::string& ns, Session& session) {
  return ns == session.Namespace() ? "" : " in namespace " + ns;
}

// A policy that the parser accepts has text for keys, and no aliases.
absl::StatusOr<std::vector<Json>> ObjectsIn(const std::string& yaml) {
  std::vector<Json> objects;
  try {
    for (const YAML::Node& document : YAML::LoadAll(yaml)) {
      if (!document.IsMap()) continue;
      const auto json = JsonOf(document);
      if (!json) return UserError("the policies are too large");
      objects.push_back(WrittenPart(Json::parse(json->dump())));
    }
  } catch (const YAML::Exception& error) {
    return UserError(absl::StrCat("invalid YAML: ", error.what()));
  }
  return objects;
}

// What our parser takes as the default, the API server does not: without a group, a parent is one
// of gateway.networking.k8s.io, and the route has no effect on any Service.
void NameGroups(Json* route) {
  const Json::json_pointer parents("/spec/parentRefs");
  if (!route->contains(parents) || !route->at(parents).is_array()) return;
  for (Json& parent : route->at(parents))
    if (parent.is_object() && !parent.contains("group")) parent["group"] = "";
}

absl::StatusOr<std::vector<Wish>> ReadWishes(Session& session, const FileSet& files) {
  const policy::ParsedFile parsed = files.Parse(session.Namespace());
  if (!parsed.ok()) return UserError("nothing was applied:\n" + TextOfProblems(parsed.problems));
  auto objects = ObjectsIn(files.Combined());
  if (!objects.ok()) return objects.status();
  if (objects->size() != parsed.documents.size())
    return UserError("invalid YAML: a document is not an object");
  std::vector<Wish> wishes;
  for (size_t i = 0; i < objects->size(); ++i) {
    const policy::Document& document = parsed.documents[i];
    policy::Problem place{"", document.line, 0, "", "", ""};
    files.Place(&place);
    Json& object = (*objects)[i];
    object["metadata"]["namespace"] = document.key.ns;
    NameGroups(&object);
    wishes.push_back({{document.key.kind, document.key.ns, document.key.name},
                      std::move(object),
                      absl::StrCat(place.file, ":", place.line)});
  }
  return wishes;
}

absl::Status RequireServed(ClusterObjects& objects, const std::vector<Wish>& wishes) {
  for (const Wish& wish : wishes) {
    if (absl::Status served = objects.RequireServed(wish.key.kind); !served.ok()) return served;
  }
  return absl::OkStatus();
}

// Asks the API server what each would become: any error of it comes before the first change.
absl::StatusOr<std::vector<Change>> Preview(ClusterObjects& objects,
                                            const std::vector<Wish>& wishes, bool takes_conflicts) {
  if (absl::Status served = RequireServed(objects, wishes); !served.ok()) return served;
  std::vector<Change> changes;
  for (const Wish& wish : wishes) {
    auto before = objects.Find(wish.key);
    if (!before.ok()) return before.status();
    auto after = objects.Apply(wish.key, wish.object, {true, takes_conflicts});
    if (!after.ok()) {
      return UserError(
          absl::StrCat("nothing was applied: ", wish.place, ": ", ErrorOf(after.status())),
          HintOf(after.status()));
    }
    changes.push_back({&wish, *std::move(before), *std::move(after)});
  }
  return changes;
}

// The control plane writes its verdict within a second, if it runs.
absl::StatusOr<Verdict> AwaitVerdict(Session& session, ClusterObjects& objects,
                                     const ObjectKey& key, int* patience) {
  while (true) {
    const auto object = objects.Find(key);
    if (!object.ok()) return object.status();
    const Verdict verdict = VerdictOf(*object);
    if (verdict.state != Verdict::State::kPending || --*patience < 0) return verdict;
    session.environment.pause(kAskAgain);
  }
}

// False: it is not accepted.
bool TellVerdict(Session& session, const ObjectKey& key, const Verdict& verdict) {
  const std::string name = ShortNameOf(key) + NamespaceNote(key.ns, session);
  if (verdict.state == Verdict::State::kAccepted) return true;
  if (verdict.state == Verdict::State::kIncomplete) {
    session.err() << "warning: " << name << " is accepted, but: " << verdict.reason << ": "
                  << verdict.message << "\n";
    return true;
  }
  if (verdict.state == Verdict::State::kRefused) {
    session.err() << "error: " << name << " is stored, but not accepted: " << verdict.reason << ": "
                  << verdict.message << "\n";
    return false;
  }
  session.err() << "warning: " << name
                << " is stored; tulle-control has not said yet whether it is in force\n"
                << "hint: check `tullectl get " << ShortNameOf(key) << " -n " << key.ns
                << "`, and whether tulle-control runs\n";
  return true;
}

absl::StatusOr<int> TellVerdicts(Session& session, ClusterObjects& objects,
                                 const std::vector<Change>& changes) {
  int patience = kMostAsked;
  bool all_in_force = true;
  for (const Change& change : changes) {
    const auto verdict = AwaitVerdict(session, objects, change.wish->key, &patience);
    if (!verdict.ok()) return verdict.status();
    if (!TellVerdict(session, change.wish->key, *verdict)) all_in_force = false;
  }
  return all_in_force ? 0 : 1;
}

void Tell(Session& session, const Change& change) {
  const ObjectKey& key = change.wish->key;
  session.out() << ShortNameOf(key);
  if (session.invocation.format != Format::kName) {
    session.out() << " " << change.action() << NamespaceNote(key.ns, session)
                  << (session.invocation.dry_run ? " (dry run)" : "");
  }
  session.out() << "\n";
}

}  // namespace

absl::StatusOr<int> ApplyToCluster(Session& session, KubernetesApi& api, const FileSet& files) {
  const Invocation& wanted = session.invocation;
  const auto wishes = ReadWishes(session, files);
  if (!wishes.ok()) return wishes.status();
  ClusterObjects objects = ObjectsOf(session, api);
  auto changes = Preview(objects, *wishes, wanted.force);
  if (!changes.ok()) return changes.status();
  Json applied = Json::array();
  for (size_t i = 0; i < changes->size(); ++i) {
    Change& change = (*changes)[i];
    if (!wanted.dry_run) {
      auto after = objects.Apply(change.wish->key, change.wish->object, {false, wanted.force});
      if (!after.ok()) {
        return UserError(absl::StrCat(i, " of ", changes->size(), " policies were applied; then ",
                                      change.wish->place, ": ", ErrorOf(after.status())),
                         HintOf(after.status()));
      }
      change.after = *std::move(after);
    }
    applied.push_back(WrittenPart(change.after));
    if (!session.wants_json()) Tell(session, change);
  }
  if (session.wants_json()) PrintJson({{"items", applied}}, wanted.format, session.out());
  session.out().flush();
  return wanted.dry_run ? absl::StatusOr<int>(0) : TellVerdicts(session, objects, *changes);
}

absl::StatusOr<int> DiffWithCluster(Session& session, KubernetesApi& api, const FileSet& files) {
  const auto wishes = ReadWishes(session, files);
  if (!wishes.ok()) return wishes.status();
  ClusterObjects objects = ObjectsOf(session, api);
  const auto changes = Preview(objects, *wishes, /*takes_conflicts=*/true);
  if (!changes.ok()) return changes.status();
  bool differs = false;
  for (const Change& change : *changes) {
    const std::string before = change.before.is_null() ? "" : ToYaml(WrittenPart(change.before));
    differs = PrintDiff(session, ShortNameOf(change.wish->key), before,
                        ToYaml(WrittenPart(change.after))) ||
              differs;
  }
  return differs ? 1 : 0;
}

absl::StatusOr<Json> DeleteInCluster(Session& session, KubernetesApi& api, const Json& policies) {
  ClusterObjects objects = ObjectsOf(session, api);
  Json reply = {{"changes", Json::array()}, {"missing", Json::array()}, {"refused", Json::array()}};
  for (Json each : policies) {
    const auto kind = policy::ParseKind(TextAt(each, "/kind"));
    if (!kind) return UserError("unknown kind " + TextAt(each, "/kind"));
    if (absl::Status served = objects.RequireServed(*kind); !served.ok()) return served;
    const ObjectKey key{*kind, TextAt(each, "/namespace"), TextAt(each, "/name")};
    const auto was_there = objects.Delete(key, session.invocation.dry_run);
    // The others are deleted all the same, as with kubectl.
    if (!was_there.ok()) {
      reply["refused"].push_back(
          {{"error", ErrorOf(was_there.status())}, {"hint", HintOf(was_there.status())}});
      continue;
    }
    each["list"] =
        absl::StrCat("tullectl get ", std::string(policy::EntryOf(*kind).plural), " -n ", key.ns);
    reply[*was_there ? "changes" : "missing"].push_back(std::move(each));
  }
  return reply;
}

absl::StatusOr<Json> ListInCluster(Session& session, KubernetesApi& api, const Selected& selected,
                                   const std::string& ns) {
  ClusterObjects objects = ObjectsOf(session, api);
  Json items = Json::array();
  const bool is_of_several = selected.kind.empty() || selected.is_of_category;
  for (const policy::KindEntry& entry : policy::AllKinds()) {
    if (!selected.kind.empty() && entry.name != selected.kind) continue;
    // Of several kinds, those that there are.
    const auto serves = objects.Serves(entry.kind);
    if (!serves.ok()) return serves.status();
    if (!*serves && is_of_several) continue;
    if (absl::Status served = objects.RequireServed(entry.kind); !served.ok()) return served;
    if (!selected.name.empty()) {
      auto found = objects.Find({entry.kind, ns, selected.name});
      if (!found.ok()) return found.status();
      if (found->is_null()) {
        return UserError(
            absl::StrCat(ShortName(selected.kind, selected.name), " not found in namespace ", ns),
            absl::StrCat("list policies with `tullectl get ", std::string(entry.plural), " -A`"));
      }
      items.push_back(*std::move(found));
      continue;
    }
    auto listed = objects.List(entry.kind, ns);
    if (!listed.ok() && is_of_several) {
      // Of several kinds, those that may be listed.
      session.err() << "warning: " << listed.status().message() << "\n";
      continue;
    }
    if (!listed.ok()) return listed.status();
    for (Json& object : *listed) items.push_back(std::move(object));
  }
  for (Json& object : items)
    if (object.contains("metadata")) object["metadata"].erase("managedFields");
  return items;
}

}  // namespace tulle::cli
