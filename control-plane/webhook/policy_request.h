// What the review of a policy needs of an AdmissionReview, read in one pass that keeps nothing
// else. Everything in it may have been written by a stranger. Pure.
// Source: admission.k8s.io/v1 AdmissionReview.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <variant>

#include "k8s/inject/admission.h"

namespace tulle::webhook {

// Of a spec: the bytes of its texts and names, and 3 for each value. An AuthorizationPolicy with
// all rules and values that the schema allows has 21,000 values.
inline constexpr size_t kLargestSpec = 256 * 1024;
inline constexpr size_t kMostSpecValues = 25'000;
// Of the whole review.
inline constexpr size_t kMostReviewValues = 250'000;
inline constexpr size_t kDeepest = 64;

// A spec as it is read.
struct ReviewedSpec {
  nlohmann::json json;        // null: absent
  bool is_too_large = false;  // `json` is not complete
};

struct PolicyRequest {
  std::string uid, operation, sub_resource;
  std::string group, version, kind;  // of what the request is for
  std::string ns, name;
  std::string object_name, generate_name;  // of metadata
  bool has_object = false;
  bool is_being_deleted = false;
  bool is_too_large = false;  // the rest was not read
  ReviewedSpec spec, old_spec;

  // As AdmissionRequest::ObjectName().
  std::string ObjectName() const;
};

// Or the answer that says why it is none.
std::variant<PolicyRequest, inject::ReviewAnswer> ReadPolicyRequest(std::string_view body);

}  // namespace tulle::webhook
