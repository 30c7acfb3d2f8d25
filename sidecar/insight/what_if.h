#pragma once

#include "absl/status/statusor.h"
#include "sidecar/proxy/rehearsal.h"
#include "tulle/insight/v1/insight.pb.h"

namespace tulle::sidecar {

// The wire form of a request that is not sent, checked: what a client could not send is refused.
absl::StatusOr<proxy::RehearsedRequest> RequestOf(const insight::v1::WhatIf& question);
// What would happen to it, as the record that it would leave. Of texts, what the request itself
// said is not repeated unless it was changed.
insight::v1::RequestRecord RecordOf(const proxy::RehearsedRequest& request,
                                    const proxy::RehearsalOutcome& outcome);

}  // namespace tulle::sidecar
