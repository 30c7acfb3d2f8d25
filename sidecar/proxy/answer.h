#pragma once

#include <string_view>

#include "sidecar/proxy/call.h"
#include "sidecar/proxy/step.h"

// The ways to end a request with an answer of our own. Each returns a Step for a phase to return.
namespace tulle::proxy {

// The answer that the failure table has for it. 504 becomes 408 while the request is still being
// received: then it was the caller who was slow.
Step Fail(Call& call, Failure failure);
// The same with another status.
Answer& FailureAnswer(Call& call, Failure failure, int status);

// `location` outlives the call or lives in its arena.
Step Redirect(Call& call, int status, std::string_view location);
// `text` likewise. `failure`: what the answer stands for, if it is an error.
Step Respond(Call& call, int status, std::string_view text, Failure failure = {});

// The number in decimal, in the call's arena.
std::string_view Decimal(Arena& arena, uint64_t value);

}  // namespace tulle::proxy
