#include "control-plane/webhook/policy_review.h"

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "control-plane/policy/custom_resource.h"
#include "control-plane/policy/kinds.h"
#include "control-plane/policy/stored_policy.h"
#include "control-plane/webhook/policy_request.h"

namespace tulle::webhook {
namespace {

constexpr size_t kLongestKind = 80;

using inject::ReviewAnswer;
using inject::ReviewResult;

// Nullopt: not a policy of ours, or of another version.
std::optional<policy::Kind> PolicyKindOf(const PolicyRequest& request) {
  if (request.group != policy::kTulleGroup || request.version != policy::kTulleVersion ||
      !request.sub_resource.empty()) {
    return std::nullopt;
  }
  for (const policy::KindEntry& entry : policy::AllKinds()) {
    if (entry.api_version == policy::kTulleApiVersion && entry.name == request.kind)
      return entry.kind;
  }
  return std::nullopt;
}

// A policy that was stored while no control plane checked it can be labelled.
bool ChangesSpec(const PolicyRequest& request) {
  return request.operation == "CREATE" || request.spec.is_too_large ||
         request.old_spec.is_too_large || request.spec.json != request.old_spec.json;
}

policy::DocumentKey KeyOf(policy::Kind kind, const PolicyRequest& request) {
  std::string name = request.name.empty() ? request.object_name : request.name;
  // The API server will add some letters.
  if (name.empty()) name = request.generate_name + "x";
  return {kind, request.ns, std::move(name)};
}

ReviewAnswer Allow(const PolicyRequest& request, ReviewResult result) {
  return inject::AnswerReview(result, request.uid, {{"allowed", true}}, "");
}

ReviewAnswer Refuse(const PolicyRequest& request, int code, const char* reason,
                    const std::string& why) {
  return inject::RefuseReview(request.uid, code, reason, why,
                              absl::StrCat("refused ", request.kind.substr(0, kLongestKind), " ",
                                           request.ObjectName(), ": ", why));
}

ReviewAnswer RefuseReviewSize(const PolicyRequest& request) {
  return Refuse(request, 413, "RequestEntityTooLarge",
                absl::StrCat("the object is too large: a review must have at most ",
                             kMostReviewValues, " values and ", kDeepest, " levels"));
}

ReviewAnswer RefuseSpecSize(const PolicyRequest& request) {
  return Refuse(request, 422, "Invalid",
                absl::StrCat("spec: too large: must have at most ", kLargestSpec >> 10, " KiB and ",
                             kMostSpecValues, " values"));
}

}  // namespace

ReviewAnswer ReviewPolicy(std::string_view body, std::string_view mesh_namespace) {
  auto read = ReadPolicyRequest(body);
  if (auto* answer = std::get_if<ReviewAnswer>(&read)) return std::move(*answer);
  const auto& request = std::get<PolicyRequest>(read);
  const std::optional<policy::Kind> kind = PolicyKindOf(request);
  if (!kind || (request.operation != "CREATE" && request.operation != "UPDATE"))
    return Allow(request, ReviewResult::kSkipped);
  if (request.is_being_deleted) return Allow(request, ReviewResult::kSkipped);
  if (request.is_too_large) return RefuseReviewSize(request);
  if (!request.has_object) return inject::BadReview("request.object is required");
  if (!ChangesSpec(request)) return Allow(request, ReviewResult::kSkipped);
  if (request.spec.is_too_large) return RefuseSpecSize(request);
  const policy::StoredPolicy policy =
      policy::ReadStoredPolicy(KeyOf(*kind, request), request.spec.json, mesh_namespace);
  if (policy.document) return Allow(request, ReviewResult::kAllowed);
  return Refuse(request, 422, "Invalid", policy.why_invalid);
}

}  // namespace tulle::webhook
