#pragma once

#include "net/base/failure.h"
#include "net/http/head.h"

// When an attempt may be made again. Source: RetryPolicy, and Envoy's code where its documentation
// differs. What may still be tried is counted in retries.h.
namespace tulle::proxy {

struct Call;

// After a failed attempt. True: the retry has been entered into the cluster's limits.
// `keep_alive_race`: a reused connection closed before a byte of the response came.
bool MayRetry(Call& call, Failure failure, bool keep_alive_race);
// After an answer that the application behind the endpoint's sidecar was not reached. True:
// likewise, but for the first such retry of a request, which is outside the limits.
bool MayRetryUnreached(Call& call);
// After a response head whose status is an error. True: likewise.
bool MayRetryStatus(Call& call, const http::Head& head);

}  // namespace tulle::proxy
