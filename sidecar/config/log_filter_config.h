#pragma once

#include "absl/status/statusor.h"
#include "envoy/config/accesslog/v3/accesslog.pb.h"
#include "sidecar/config/field_path.h"
#include "sidecar/config/log_filter.h"

namespace tulle::config {

// A kind of filter that is not implemented is an error: what it leaves out would be logged.
absl::StatusOr<LogFilter> ToLogFilter(const envoy::config::accesslog::v3::AccessLogFilter& filter,
                                      const FieldPath& at);

}  // namespace tulle::config
