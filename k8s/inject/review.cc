#include "k8s/inject/review.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace tulle::inject {
namespace {

constexpr char kVersion[] = "admission.k8s.io/v1";
constexpr size_t kLongestUid = 256;

ReviewAnswer BadRequest(std::string what) {
  return {ReviewResult::kInvalid, 400, what + "\n", "invalid AdmissionReview: " + what};
}

std::string Compact(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

ReviewAnswer Answer(ReviewResult result, const std::string& uid, Json response, std::string log) {
  Json all = {{"uid", uid}};
  all.update(response);
  const Json review = {{"apiVersion", kVersion}, {"kind", "AdmissionReview"}, {"response", all}};
  return {result, 200, Compact(review), std::move(log)};
}

bool IsNewPod(const Json& request) {
  const Json* kind = Member(request, "kind");
  return TextOf(request, "operation") == "CREATE" && kind != nullptr &&
         TextOf(*kind, "group").empty() && TextOf(*kind, "version") == "v1" &&
         TextOf(*kind, "kind") == "Pod" && TextOf(request, "subResource").empty();
}

// As people know it: new pods often have a prefix of a name alone.
std::string NameOf(const Json& request, const Json& pod) {
  const Json* metadata = Member(pod, "metadata");
  std::string name = TextOf(request, "name");
  if (name.empty() && metadata != nullptr) name = TextOf(*metadata, "name");
  if (name.empty() && metadata != nullptr) name = TextOf(*metadata, "generateName") + "?";
  return Quoted(TextOf(request, "namespace") + "/" + name);
}

ReviewAnswer Refuse(const std::string& uid, const std::string& name, const absl::Status& why) {
  const std::string message = absl::StrCat("tulle cannot inject the pod: ", why.message());
  return Answer(ReviewResult::kRefused, uid,
                {{"allowed", false},
                 {"status", {{"code", 400}, {"reason", "BadRequest"}, {"message", message}}}},
                absl::StrCat("refused pod ", name, ": ", why.message()));
}

ReviewAnswer Skipped(const std::string& uid, Json response, std::string_view label,
                     std::string log) {
  ReviewAnswer answer = Answer(ReviewResult::kSkipped, uid, std::move(response), std::move(log));
  answer.skip_label = label;
  return answer;
}

ReviewAnswer Allow(const std::string& uid, const std::string& name, const Injection& made) {
  Json response = {{"allowed", true}};
  if (!made.warnings.empty()) response["warnings"] = made.warnings;
  if (made.patch.empty()) {
    return Skipped(uid, std::move(response), made.skipped.label,
                   absl::StrCat("skipped pod ", name, ": ", made.skipped.text));
  }
  response["patchType"] = "JSONPatch";
  response["patch"] = absl::Base64Escape(Compact(made.patch));
  return Answer(ReviewResult::kInjected, uid, std::move(response),
                absl::StrCat("injected pod ", name));
}

}  // namespace

ReviewAnswer Review(std::string_view body, const Json& namespace_labels, const Settings& settings) {
  if (body.size() > kLargestReview) {
    return {ReviewResult::kInvalid, 413, "the review is too large\n", "review too large"};
  }
  const std::optional<Json> review = ParseJson(body);
  if (!review) return BadRequest("not JSON");
  if (TextOf(*review, "kind") != "AdmissionReview" || TextOf(*review, "apiVersion") != kVersion)
    return BadRequest(absl::StrCat("must be an AdmissionReview of ", kVersion));
  const Json* request = Member(*review, "request");
  const std::string uid = request == nullptr ? "" : TextOf(*request, "uid");
  if (uid.empty() || uid.size() > kLongestUid) return BadRequest("request.uid is required");
  if (!IsNewPod(*request)) return Skipped(uid, {{"allowed", true}}, "not_a_new_pod", "");
  const Json* pod = Member(*request, "object");
  if (pod == nullptr) return BadRequest("request.object is required");
  const std::string name = NameOf(*request, *pod);
  const auto made = Inject(*pod, {TextOf(*request, "namespace"), namespace_labels}, settings);
  return made.ok() ? Allow(uid, name, *made) : Refuse(uid, name, made.status());
}

}  // namespace tulle::inject
