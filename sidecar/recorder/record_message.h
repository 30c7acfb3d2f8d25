#pragma once

#include <span>
#include <string>
#include <string_view>

#include "sidecar/recorder/failure_log.h"
#include "sidecar/recorder/record.h"
#include "tulle/insight/v1/insight.pb.h"

namespace tulle::recorder {

// As it is sent and printed: bytes that are not printable ASCII become '?'.
std::string Printable(std::string_view text);

// The record as it is sent and printed. Bytes that are not printable ASCII become '?'. `own`:
// SPIFFE ID of this workload, which is the caller of outbound requests, and the destination of the
// others.
insight::v1::RequestRecord MessageOf(const Record& record,
                                     std::span<const KeptDecision> decisions = {},
                                     std::string_view own = {});

}  // namespace tulle::recorder
