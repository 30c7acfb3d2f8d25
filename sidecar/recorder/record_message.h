#pragma once

#include <string>
#include <string_view>

#include "sidecar/recorder/explanation.h"
#include "sidecar/recorder/record.h"
#include "sidecar/recorder/ring.h"
#include "tulle/insight/v1/insight.pb.h"

namespace tulle::recorder {

// As it is sent and printed: bytes that are not printable ASCII become '?'.
std::string Printable(std::string_view text);

// What a ring knows about all its records.
struct Surroundings {
  // SPIFFE ID of the workload, which is the caller of outbound requests, and the destination of the
  // others; empty: unknown.
  std::string own;
  std::string configuration;  // that was in force; empty: unknown
};

// The record as it is sent and printed, with the decisions of its explanation, if there is one
// (else null). Texts are printable.
insight::v1::RequestRecord MessageOf(const Record& record, const Explanation* explanation,
                                     const Surroundings& surroundings);
// `own` is used if the ring has none.
insight::v1::RequestRecord MessageOf(const Ring& ring, const Record& record,
                                     const Explanation* explanation, const std::string& own = "");

}  // namespace tulle::recorder
