#include "control-plane/cli/cluster_objects.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

constexpr char kController[] = "tulle.dev/mesh-controller";

std::string CollectionOf(policy::Kind kind, const std::string& ns) {
  const policy::KindEntry& entry = policy::EntryOf(kind);
  return absl::StrCat("/apis/", std::string(entry.api_version),
                      ns.empty() ? "" : "/namespaces/" + ns, "/", std::string(entry.plural));
}

std::string PathOf(const ObjectKey& key) {
  return absl::StrCat(CollectionOf(key.kind, key.ns), "/", k8s::Escape(key.name));
}

// "resiliencepolicies.tulle.dev"
std::string ResourceOf(policy::Kind kind) {
  const policy::KindEntry& entry = policy::EntryOf(kind);
  const std::string version(entry.api_version);
  return absl::StrCat(std::string(entry.plural), ".", version.substr(0, version.find('/')));
}

Json Parsed(const ApiReply& reply) {
  return Json::parse(reply.body, nullptr, /*allow_exceptions=*/false);
}

bool IsGood(const ApiReply& reply) { return reply.status / 100 == 2; }

// What a user without a right asks for.
const char* WhoGrants(policy::Kind kind, const std::string& verb) {
  if (policy::EntryOf(kind).api_version != policy::kTulleApiVersion)
    return "Tulle's ClusterRoles do not include the routes of the Gateway API";
  if (kind == policy::Kind::kExternalService)
    return "an administrator grants it: hosts of an ExternalService lead where it says for all";
  return verb == "get" || verb == "list" ? "the ClusterRoles view and edit include it"
                                         : "the ClusterRole edit includes it";
}

// Of conditions[]: the one that decides, for the object's present generation.
void AddConditions(const Json& conditions, int64_t generation, Verdict* verdict) {
  using State = Verdict::State;
  for (const Json& condition : conditions) {
    if (NumberAt(condition, "/observedGeneration") != generation) continue;
    const std::string type = TextAt(condition, "/type");
    if (type != "Accepted" && type != "ResolvedRefs") continue;
    const bool is_false = TextAt(condition, "/status") == "False";
    if (type == "Accepted" && is_false) {
      *verdict = {State::kRefused, TextAt(condition, "/reason"), TextAt(condition, "/message")};
    } else if (verdict->state != State::kRefused && is_false) {
      // The route is in force, but for the backends that the message names.
      *verdict = {State::kIncomplete, TextAt(condition, "/reason"), TextAt(condition, "/message")};
    } else if (type == "Accepted" && verdict->state == State::kPending) {
      verdict->state = State::kAccepted;
    }
  }
}

}  // namespace

absl::Status ClusterObjects::Refused(const std::string& verb, policy::Kind kind,
                                     const std::string& ns, const ApiReply& reply) const {
  std::string message = TextAt(Parsed(reply), "/message");
  if (message.empty()) message = absl::StrCat("HTTP status ", reply.status);
  const std::string error = absl::StrCat("the API server refused: ", message, " (", where_, ")");
  if (reply.status == 403) {
    return UserError(error,
                     absl::StrCat("check with `kubectl auth can-i ", verb, " ", ResourceOf(kind),
                                  ns.empty() ? " -A" : " -n " + ns, "`; ", WhoGrants(kind, verb)));
  }
  if (reply.status == 409 && verb == "patch") {
    return UserError(error,
                     "another program or person owns these fields; --force-conflicts takes them");
  }
  if (reply.status == 404 && verb == "patch") {
    return UserError(error, absl::StrCat("create it: `kubectl create namespace ", ns, "`"));
  }
  return UserError(error);
}

absl::StatusOr<bool> ClusterObjects::Serves(policy::Kind kind) {
  const policy::KindEntry& entry = policy::EntryOf(kind);
  const std::string version(entry.api_version);
  if (!served_.contains(version)) {
    const auto reply = api_.Send({"GET", "/apis/" + version});
    if (!reply.ok()) return reply.status();
    if (!IsGood(*reply) && reply->status != 404) return Refused("get", kind, "", *reply);
    served_[version] = IsGood(*reply) ? PartAt(Parsed(*reply), "/resources") : Json::array();
  }
  for (const Json& resource : served_[version]) {
    if (TextAt(resource, "/name") == entry.plural) return true;
  }
  return false;
}

absl::Status ClusterObjects::RequireServed(policy::Kind kind) {
  const auto serves = Serves(kind);
  if (!serves.ok() || *serves) return serves.status();
  const policy::KindEntry& entry = policy::EntryOf(kind);
  const bool is_ours = entry.api_version == policy::kTulleApiVersion;
  return UserError(
      absl::StrCat("this cluster does not serve ", std::string(entry.plural), " of ",
                   std::string(entry.api_version), " (", where_, ")"),
      is_ours ? "install Tulle with `tullectl install --apply`, or name another cluster with "
                "--context NAME"
              : "install the Gateway API: `kubectl apply --server-side -f "
                "standard-install.yaml` of one of its releases");
}

absl::StatusOr<Json> ClusterObjects::Find(const ObjectKey& key) {
  const auto reply = api_.Send({"GET", PathOf(key)});
  if (!reply.ok()) return reply.status();
  if (reply->status == 404) return Json();
  if (!IsGood(*reply)) return Refused("get", key.kind, key.ns, *reply);
  return Parsed(*reply);
}

absl::StatusOr<std::vector<Json>> ClusterObjects::List(policy::Kind kind, const std::string& ns) {
  const auto reply = api_.Send({"GET", CollectionOf(kind, ns)});
  if (!reply.ok()) return reply.status();
  if (!IsGood(*reply)) return Refused("list", kind, ns, *reply);
  std::vector<Json> objects;
  const Json list = Parsed(*reply);
  for (Json object : PartAt(list, "/items")) {
    object["apiVersion"] = std::string(policy::EntryOf(kind).api_version);
    object["kind"] = std::string(policy::EntryOf(kind).name);
    objects.push_back(std::move(object));
  }
  return objects;
}

absl::StatusOr<Json> ClusterObjects::Apply(const ObjectKey& key, const Json& object,
                                           const ApplyOptions& options) {
  const k8s::Request request{
      "PATCH",
      absl::StrCat(PathOf(key), "?fieldManager=tullectl", options.is_dry_run ? "&dryRun=All" : "",
                   options.takes_conflicts ? "&force=true" : ""),
      "application/json", "application/apply-patch+yaml", object.dump()};
  const auto reply = api_.Send(request);
  if (!reply.ok()) return reply.status();
  if (!IsGood(*reply)) return Refused("patch", key.kind, key.ns, *reply);
  return Parsed(*reply);
}

absl::StatusOr<bool> ClusterObjects::Delete(const ObjectKey& key, bool is_dry_run) {
  const auto reply =
      api_.Send({"DELETE", absl::StrCat(PathOf(key), is_dry_run ? "?dryRun=All" : "")});
  if (!reply.ok()) return reply.status();
  if (reply->status == 404) return false;
  if (!IsGood(*reply)) return Refused("delete", key.kind, key.ns, *reply);
  return true;
}

Json WrittenPart(Json object) {
  if (!object.is_object()) return object;
  object.erase("status");
  if (!object.contains("metadata") || !object["metadata"].is_object()) return object;
  for (const char* field :
       {"managedFields", "resourceVersion", "uid", "creationTimestamp", "generation"}) {
    object["metadata"].erase(field);
  }
  return object;
}

Verdict VerdictOf(const Json& object) {
  Verdict verdict;
  const int64_t generation = NumberAt(object, "/metadata/generation");
  AddConditions(PartAt(object, "/status/conditions"), generation, &verdict);
  for (const Json& parent : PartAt(object, "/status/parents")) {
    if (TextAt(parent, "/controllerName") == kController)
      AddConditions(PartAt(parent, "/conditions"), generation, &verdict);
  }
  return verdict;
}

}  // namespace tulle::cli
