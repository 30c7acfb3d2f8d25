#include "k8s/inject/admission.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tulle::inject {
namespace {

constexpr char kReviewVersion[] = "admission.k8s.io/v1";
constexpr size_t kLongestUid = 256;

}  // namespace

bool AdmissionRequest::IsFor(std::string_view group, std::string_view version,
                             std::string_view kind) const {
  const Json* asked = Member(json, "kind");
  return asked != nullptr && TextOf(*asked, "group") == group &&
         TextOf(*asked, "version") == version && TextOf(*asked, "kind") == kind &&
         TextOf(json, "subResource").empty();
}

std::string AdmissionRequest::ObjectName() const {
  const Json* metadata = Member(json, {"object", "metadata"});
  std::string name = TextOf(json, "name");
  if (name.empty() && metadata != nullptr) name = TextOf(*metadata, "name");
  if (name.empty() && metadata != nullptr) name = TextOf(*metadata, "generateName") + "?";
  return Quoted(TextOf(json, "namespace") + "/" + name);
}

std::variant<AdmissionRequest, ReviewAnswer> ReadReview(std::string_view body) {
  if (body.size() > kLargestReview) {
    return ReviewAnswer{ReviewResult::kInvalid, 413, "the review is too large\n",
                        "review too large"};
  }
  std::optional<Json> review = ParseJson(body);
  if (!review) return BadReview("not JSON");
  if (TextOf(*review, "kind") != "AdmissionReview" ||
      TextOf(*review, "apiVersion") != kReviewVersion) {
    return BadReview(absl::StrCat("must be an AdmissionReview of ", kReviewVersion));
  }
  const Json* request = Member(*review, "request");
  std::string uid = request == nullptr ? "" : TextOf(*request, "uid");
  if (uid.empty() || uid.size() > kLongestUid) return BadReview("request.uid is required");
  return AdmissionRequest{std::move(uid), std::move((*review)["request"])};
}

ReviewAnswer BadReview(const std::string& what) {
  return {ReviewResult::kInvalid, 400, what + "\n", "invalid AdmissionReview: " + what};
}

ReviewAnswer AnswerReview(ReviewResult result, const std::string& uid, const Json& response,
                          std::string log) {
  Json all = {{"uid", uid}};
  all.update(response);
  const Json review = {
      {"apiVersion", kReviewVersion}, {"kind", "AdmissionReview"}, {"response", std::move(all)}};
  return {result, 200, review.dump(-1, ' ', false, Json::error_handler_t::replace), std::move(log)};
}

ReviewAnswer RefuseReview(const std::string& uid, int code, const char* reason,
                          const std::string& message, std::string log) {
  return AnswerReview(
      ReviewResult::kRefused, uid,
      {{"allowed", false}, {"status", {{"code", code}, {"reason", reason}, {"message", message}}}},
      std::move(log));
}

}  // namespace tulle::inject
