#include "control-plane/cli/installed_objects.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

// "NetworkPolicy" -> "networkpolicies".
std::string PluralOf(const Json& object) {
  std::string word = absl::AsciiStrToLower(TextAt(object, "/kind"));
  if (word.ends_with('y')) return word.substr(0, word.size() - 1) + "ies";
  return word + (word.ends_with('s') ? "es" : "s");
}

// Empty: the core group.
std::string GroupOf(const Json& object) {
  const std::string version = TextAt(object, "/apiVersion");
  const size_t slash = version.find('/');
  return slash == std::string::npos ? "" : version.substr(0, slash);
}

std::string TargetOfObject(const Json& object) {
  const std::string ns = TextAt(object, "/metadata/namespace");
  return absl::StrCat(GroupOf(object).empty() ? "/api/" : "/apis/", TextAt(object, "/apiVersion"),
                      ns.empty() ? "" : "/namespaces/" + ns, "/", PluralOf(object), "/",
                      k8s::Escape(TextAt(object, "/metadata/name")));
}

Json BodyOf(const ApiReply& reply) {
  return Json::parse(reply.body, nullptr, /*allow_exceptions=*/false);
}

bool HasGoodStatus(const ApiReply& reply) { return reply.status / 100 == 2; }

// Why a pod does not run, or is not ready.
std::string HindranceOf(const Json& pod) {
  const std::string name = "pod " + TextAt(pod, "/metadata/name");
  for (const Json& container : PartAt(pod, "/status/containerStatuses")) {
    const std::string reason = TextAt(container, "/state/waiting/reason");
    if (reason.empty() || reason == "ContainerCreating") continue;
    const std::string message = TextAt(container, "/state/waiting/message");
    return absl::StrCat(name, ": ", reason, message.empty() ? "" : ": " + message);
  }
  for (const Json& condition : PartAt(pod, "/status/conditions")) {
    const bool is_false = TextAt(condition, "/status") == "False";
    if (is_false && TextAt(condition, "/type") == "PodScheduled")
      return absl::StrCat(name, ": not scheduled: ", TextAt(condition, "/message"));
  }
  for (const Json& condition : PartAt(pod, "/status/conditions")) {
    if (TextAt(condition, "/type") == "Ready" && TextAt(condition, "/status") == "True") return "";
  }
  const std::string phase = TextAt(pod, "/status/phase");
  return absl::StrCat(name, phase == "Running" ? ": runs and is not ready" : ": is starting");
}

bool IsAvailable(const Json& deployment) {
  const int64_t wanted = NumberAt(deployment, "/spec/replicas");
  return NumberAt(deployment, "/status/observedGeneration") >=
             NumberAt(deployment, "/metadata/generation") &&
         NumberAt(deployment, "/status/updatedReplicas") >= wanted &&
         NumberAt(deployment, "/status/availableReplicas") >= wanted &&
         NumberAt(deployment, "/status/replicas") ==
             NumberAt(deployment, "/status/updatedReplicas");
}

}  // namespace

std::string ResourceName(const Json& object) {
  return absl::StrCat(absl::AsciiStrToLower(TextAt(object, "/kind")), "/",
                      TextAt(object, "/metadata/name"));
}

absl::Status InstalledObjects::Refused(const std::string& verb, const Json& object,
                                       const ApiReply& reply) const {
  std::string message = TextAt(BodyOf(reply), "/message");
  if (message.empty()) message = absl::StrCat("HTTP status ", reply.status);
  const std::string ns = TextAt(object, "/metadata/namespace");
  const std::string group = GroupOf(object);
  return UserError(
      absl::StrCat(ResourceName(object), ": the API server refused: ", message, " (", where_, ")"),
      reply.status != 403
          ? ""
          : absl::StrCat("check with `kubectl auth can-i ", verb, " ", PluralOf(object),
                         group.empty() ? "" : "." + group, ns.empty() ? "" : " -n " + ns,
                         "`; the ClusterRole cluster-admin includes it"));
}

absl::StatusOr<std::string> InstalledObjects::Apply(const Json& object) {
  const auto reply = api_.Send(k8s::Apply(TargetOfObject(object), object.dump(), "tullectl"));
  if (!reply.ok()) return reply.status();
  if (!HasGoodStatus(*reply)) return Refused("patch", object, *reply);
  return std::string(reply->status == 201 ? "created" : "applied");
}

absl::StatusOr<Json> InstalledObjects::Preview(const Json& object) {
  k8s::Request request = k8s::Apply(TargetOfObject(object), object.dump(), "tullectl");
  request.target += "&dryRun=All";
  const auto reply = api_.Send(request);
  if (!reply.ok()) return reply.status();
  return HasGoodStatus(*reply) ? BodyOf(*reply) : Json();
}

absl::StatusOr<bool> InstalledObjects::Delete(const Json& object) {
  const auto reply = api_.Send({"DELETE", TargetOfObject(object)});
  if (!reply.ok()) return reply.status();
  if (reply->status == 404) return false;
  if (!HasGoodStatus(*reply)) return Refused("delete", object, *reply);
  return true;
}

absl::StatusOr<Json> InstalledObjects::Get(const std::string& target) {
  const auto reply = api_.Send({"GET", target});
  if (!reply.ok()) return reply.status();
  return HasGoodStatus(*reply) ? BodyOf(*reply) : Json();
}

absl::StatusOr<std::optional<Json>> InstalledObjects::Find(const Json& object) {
  const auto reply = api_.Send({"GET", TargetOfObject(object)});
  if (!reply.ok()) return reply.status();
  if (reply->status == 404) return std::optional(Json());
  return HasGoodStatus(*reply) ? std::optional(BodyOf(*reply)) : std::nullopt;
}

absl::StatusOr<bool> InstalledObjects::May(const std::string& verb, const Json& object) {
  const Json attributes = {{"verb", verb},
                           {"group", GroupOf(object)},
                           {"resource", PluralOf(object)},
                           {"namespace", TextAt(object, "/metadata/namespace")},
                           {"name", TextAt(object, "/metadata/name")}};
  const Json review = {{"apiVersion", "authorization.k8s.io/v1"},
                       {"kind", "SelfSubjectAccessReview"},
                       {"spec", {{"resourceAttributes", attributes}}}};
  const auto reply = api_.Send(
      k8s::Create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review.dump()));
  if (!reply.ok()) return reply.status();
  if (!HasGoodStatus(*reply)) return Refused("create", review, *reply);
  return TrueAt(BodyOf(*reply), "/status/allowed");
}

std::vector<std::string> HindrancesOf(const Json& deployment, const Json& pods) {
  if (IsAvailable(deployment)) return {};
  std::vector<std::string> hindrances;
  for (const Json& pod : PartAt(pods, "/items")) {
    if (std::string one = HindranceOf(pod); !one.empty()) hindrances.push_back(std::move(one));
  }
  for (const Json& condition : PartAt(deployment, "/status/conditions")) {
    const bool is_failure = TextAt(condition, "/type") == "ReplicaFailure";
    if (is_failure && TextAt(condition, "/status") == "True")
      hindrances.push_back("no pod is created: " + TextAt(condition, "/message"));
  }
  if (hindrances.empty()) hindrances.emplace_back("its pods are being created");
  return hindrances;
}

}  // namespace tulle::cli
