// The envelope of admission.k8s.io/v1: what the API server asks a webhook and how it is answered,
// whatever the object is. Pure; the transport is not here.
// Source: Kubernetes, Dynamic Admission Control, "Webhook request and response".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "k8s/inject/json.h"

namespace tulle::inject {

// Kubernetes stores objects of at most 1.5 MiB, and a review contains at most two versions of one.
inline constexpr size_t kLargestReview = 4 * 1024 * 1024;

enum class ReviewResult : uint8_t {
  kInjected,
  kAllowed,  // unchanged, after a check
  kSkipped,  // unchanged, without one
  kRefused,
  kInvalid,  // not a review
};

struct ReviewAnswer {
  ReviewResult result = ReviewResult::kInvalid;
  int status = 200;  // of HTTP
  std::string body;  // an AdmissionReview as JSON; a text for a status other than 200
  std::string log;   // for the process log; empty: not worth a line
  std::string_view skip_label = {};  // of kSkipped: see Skip
};

struct AdmissionRequest {
  std::string uid;
  Json json;  // the request; an object

  // Whether it is about an object itself, of this group, version and kind.
  bool IsFor(std::string_view group, std::string_view version, std::string_view kind) const;
  // The object's namespace and name, quoted. New ones often have a prefix of a name alone.
  std::string ObjectName() const;
};

// The request in the body of a POST, or the answer that says why there is none.
std::variant<AdmissionRequest, ReviewAnswer> ReadReview(std::string_view body);

ReviewAnswer BadReview(const std::string& what);
// `response`: what it has besides the uid.
ReviewAnswer AnswerReview(ReviewResult result, const std::string& uid, const Json& response,
                          std::string log);
// `code` and `reason`: as in the Status that a client of the API server gets.
ReviewAnswer RefuseReview(const std::string& uid, int code, const char* reason,
                          const std::string& message, std::string log);

}  // namespace tulle::inject
