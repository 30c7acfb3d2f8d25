// Source: authentication.k8s.io/v1 TokenReview.
#include "control-plane/kubernetes/token_reviews.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "k8s/api/json.h"

namespace tulle::kubernetes {
namespace {

using k8s::At;
using k8s::Json;
using k8s::TextAt;

constexpr char kPath[] = "/apis/authentication.k8s.io/v1/tokenreviews";

bool HasAudience(const Json& status, std::string_view audience) {
  const Json& audiences = At(status, {"audiences"});
  return audiences.is_array() && std::find(audiences.begin(), audiences.end(),
                                           Json(std::string(audience))) != audiences.end();
}

// What the API server adds about a token, at most 100 bytes; empty: nothing.
std::string ExtraOf(const Json& status, const std::string& name) {
  const Json& all = At(status, {"user", "extra"});
  const auto found = all.is_object() ? all.find("authentication.kubernetes.io/" + name) : all.end();
  if (found == all.end() || !found->is_array() || found->empty() || !found->front().is_string())
    return "";
  return found->front().get<std::string>().substr(0, 100);
}

}  // namespace

absl::StatusOr<ServiceAccount> ReadReview(std::string_view json, std::string_view audience) {
  const Json review = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  const Json& status = At(review, {"status"});
  if (!status.is_object()) return absl::UnavailableError("the API server's TokenReview is invalid");
  if (!k8s::IsTrueAt(status, {"authenticated"})) {
    const std::string error = TextAt(status, {"error"});
    return absl::UnauthenticatedError(
        absl::StrCat("the API server refused the service account's token",
                     error.empty() ? "" : ": ", error.substr(0, 500)));
  }
  // A server that knows no audiences has not checked ours.
  if (!HasAudience(status, audience)) {
    return absl::UnauthenticatedError(absl::StrCat(
        "the service account's token is not for the audience \"", std::string(audience), "\""));
  }
  const std::string user = TextAt(status, {"user", "username"});
  const std::vector<std::string> parts = absl::StrSplit(user, ':');
  if (parts.size() != 4 || parts[0] != "system" || parts[1] != "serviceaccount" ||
      parts[2].empty() || parts[3].empty()) {
    return absl::UnauthenticatedError(
        absl::StrCat("the token is not that of a service account: ", user.substr(0, 200)));
  }
  return ServiceAccount{parts[2], parts[3], ExtraOf(status, "pod-uid"),
                        ExtraOf(status, "credential-id")};
}

void TokenReviews::Review(const std::string& source, std::string_view token, Done done) {
  const Json review{{"apiVersion", "authentication.k8s.io/v1"},
                    {"kind", "TokenReview"},
                    {"spec", {{"token", std::string(token)}, {"audiences", {audience_}}}}};
  const uint64_t id = ++last_;
  shares_.Begin(source);
  const auto finish = [this, id, source](Done& then, absl::StatusOr<ServiceAccount> result) {
    if (const auto call = calls_.extract(id); !call.empty())
      loop_.DeferDelete(std::move(call.mapped()));
    shares_.End(source);
    then(std::move(result));
  };
  calls_[id] = client_.Send(
      k8s::Create(kPath, review.dump(-1, ' ', false, Json::error_handler_t::replace)),
      [this, finish, done = std::move(done)](const k8s::Answer& answer) mutable {
        if (answer.ok()) return finish(done, ReadReview(answer.body, audience_));
        finish(done, absl::UnavailableError(absl::StrCat(
                         "cannot review the service account's token: ", answer.error)));
      });
}

}  // namespace tulle::kubernetes
