#include "control-plane/webhook/policy_review.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control-plane/policy/custom_resource.h"
#include "control-plane/policy/kinds.h"
#include "control-plane/policy/stored_policy.h"

namespace tulle::webhook {
namespace {

using inject::AdmissionRequest;
using inject::Json;
using inject::Member;
using inject::ReviewAnswer;
using inject::ReviewResult;
using inject::TextOf;

// Nullopt: not a policy of ours, or of another version.
std::optional<policy::Kind> PolicyKindOf(const AdmissionRequest& request) {
  for (const policy::KindEntry& entry : policy::AllKinds()) {
    if (entry.api_version != policy::kTulleApiVersion) continue;
    if (request.IsFor(policy::kTulleGroup, policy::kTulleVersion, entry.name)) return entry.kind;
  }
  return std::nullopt;
}

nlohmann::json SpecOf(const AdmissionRequest& request, const char* object) {
  const Json* spec = Member(request.json, {object, "spec"});
  return spec == nullptr ? nlohmann::json() : nlohmann::json(*spec);
}

// A policy that was stored while no control plane checked it can be labelled, and deleted by
// whoever removes its finalizers.
bool ChangesSpec(const AdmissionRequest& request, const nlohmann::json& spec) {
  if (Member(request.json, {"object", "metadata", "deletionTimestamp"}) != nullptr) return false;
  return TextOf(request.json, "operation") == "CREATE" || spec != SpecOf(request, "oldObject");
}

policy::DocumentKey KeyOf(policy::Kind kind, const AdmissionRequest& request) {
  std::string name = TextOf(request.json, "name");
  const Json* metadata = Member(request.json, {"object", "metadata"});
  if (name.empty() && metadata != nullptr) name = TextOf(*metadata, "name");
  // The API server will add some letters.
  if (name.empty() && metadata != nullptr) name = TextOf(*metadata, "generateName") + "x";
  return {kind, TextOf(request.json, "namespace"), std::move(name)};
}

}  // namespace

ReviewAnswer ReviewPolicy(std::string_view body, std::string_view mesh_namespace) {
  auto read = inject::ReadReview(body);
  if (auto* answer = std::get_if<ReviewAnswer>(&read)) return std::move(*answer);
  const auto& request = std::get<AdmissionRequest>(read);
  const auto allow = [&request](ReviewResult result) {
    return inject::AnswerReview(result, request.uid, {{"allowed", true}}, "");
  };
  const std::optional<policy::Kind> kind = PolicyKindOf(request);
  const std::string operation = TextOf(request.json, "operation");
  if (!kind || (operation != "CREATE" && operation != "UPDATE"))
    return allow(ReviewResult::kSkipped);
  if (Member(request.json, "object") == nullptr)
    return inject::BadReview("request.object is required");
  const nlohmann::json spec = SpecOf(request, "object");
  if (!ChangesSpec(request, spec)) return allow(ReviewResult::kSkipped);
  const policy::StoredPolicy policy =
      policy::ReadStoredPolicy(KeyOf(*kind, request), spec, mesh_namespace);
  if (policy.document) return allow(ReviewResult::kAllowed);
  return inject::RefuseReview(request.uid, 422, "Invalid", policy.why_invalid,
                              absl::StrCat("refused ", std::string(policy::ToText(*kind)), " ",
                                           request.ObjectName(), ": ", policy.why_invalid));
}

}  // namespace tulle::webhook
