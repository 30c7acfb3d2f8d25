#include "k8s/inject/review.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace tulle::inject {
namespace {

std::string Compact(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

ReviewAnswer RefusePod(const AdmissionRequest& request, const absl::Status& why) {
  return RefuseReview(request.uid, 400, "BadRequest",
                      absl::StrCat("tulle cannot inject the pod: ", why.message()),
                      absl::StrCat("refused pod ", request.ObjectName(), ": ", why.message()));
}

ReviewAnswer Skipped(const std::string& uid, const Json& response, std::string_view label,
                     std::string log) {
  ReviewAnswer answer = AnswerReview(ReviewResult::kSkipped, uid, response, std::move(log));
  answer.skip_label = label;
  return answer;
}

ReviewAnswer AllowPod(const AdmissionRequest& request, const Injection& made) {
  Json response = {{"allowed", true}};
  if (!made.warnings.empty()) response["warnings"] = made.warnings;
  const std::string name = request.ObjectName();
  if (made.patch.empty()) {
    return Skipped(request.uid, response, made.skipped.label,
                   absl::StrCat("skipped pod ", name, ": ", made.skipped.text));
  }
  response["patchType"] = "JSONPatch";
  response["patch"] = absl::Base64Escape(Compact(made.patch));
  return AnswerReview(ReviewResult::kInjected, request.uid, response,
                      absl::StrCat("injected pod ", name));
}

}  // namespace

ReviewAnswer Review(std::string_view body, const Json& namespace_labels, const Settings& settings) {
  auto read = ReadReview(body);
  if (auto* answer = std::get_if<ReviewAnswer>(&read)) return std::move(*answer);
  const auto& request = std::get<AdmissionRequest>(read);
  if (!request.IsFor("", "v1", "Pod") || TextOf(request.json, "operation") != "CREATE")
    return Skipped(request.uid, {{"allowed", true}}, "not_a_new_pod", "");
  const Json* pod = Member(request.json, "object");
  if (pod == nullptr) return BadReview("request.object is required");
  const auto made = Inject(*pod, {TextOf(request.json, "namespace"), namespace_labels}, settings);
  return made.ok() ? AllowPod(request, *made) : RefusePod(request, made.status());
}

}  // namespace tulle::inject
