#pragma once

#include "net/loop/loop.h"
#include "sidecar/config/log_filter.h"
#include "sidecar/proxy/ended.h"

namespace tulle::proxy {

// Whether an access log with this filter has it. Without allocation, but for a header that is
// repeated. Thread: the worker's.
bool Passes(const config::LogFilter& filter, const EndedRequest& request, loop::Random& random);
bool Passes(const config::LogFilter& filter, const EndedRelay& relay, loop::Random& random);

}  // namespace tulle::proxy
