#pragma once

#include "net/base/failure.h"

// The failures that a cluster decides on by itself. What follows from each is in failures.cc.
namespace tulle::upstream::failures {

extern const FailureKind kNoHealthyEndpoint;
extern const FailureKind kBreakerOpen;  // no endpoint is left but those whose breaker is open
extern const FailureKind kOverflow;     // a limit of the cluster is reached

}  // namespace tulle::upstream::failures
