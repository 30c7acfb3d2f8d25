#pragma once

#include "sidecar/proxy/ended.h"
#include "telemetry/log_record.h"

namespace tulle::proxy {

// How serious a request or connection that has ended was (denied: a warning; failed: an error), and
// which trace it belongs to.
telemetry::LogRecordHead HeadOf(const EndedRequest& request);
telemetry::LogRecordHead HeadOf(const EndedRelay& relay);

}  // namespace tulle::proxy
