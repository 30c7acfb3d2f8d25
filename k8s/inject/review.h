// The webhook's exchange with the API server: admission.k8s.io/v1. Pure; the transport is not here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "k8s/inject/inject.h"

namespace tulle::inject {

// Kubernetes limits requests to 3 MiB, and the review of a new object contains it once.
inline constexpr size_t kLargestReview = 4 * 1024 * 1024;

enum class ReviewResult : uint8_t {
  kInjected,
  kSkipped,
  kRefused,  // a pod that cannot be injected as it asks
  kInvalid,  // not a review
};

struct ReviewAnswer {
  ReviewResult result = ReviewResult::kInvalid;
  int status = 200;  // of HTTP
  std::string body;  // an AdmissionReview as JSON; a text for a status other than 200
  std::string log;   // for the process log; empty: not worth a line
  std::string_view skip_label = {};  // of kSkipped: see Skip
};

// Answers the body of one POST. A pod that cannot be injected as it asks is refused with the
// reason; what is not a new Pod is allowed unchanged. `namespace_labels`: of the namespace that the
// request names; a webhook with a namespaceSelector for the label passes it as set.
ReviewAnswer Review(std::string_view body, const Json& namespace_labels, const Settings& settings);

}  // namespace tulle::inject
