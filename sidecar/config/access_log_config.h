#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "envoy/config/accesslog/v3/accesslog.pb.h"
#include "sidecar/config/field_path.h"
#include "sidecar/config/listener_spec.h"
#include "sidecar/config/values.h"

namespace tulle::config {

absl::StatusOr<std::vector<AccessLogSpec>> ToAccessLogs(
    const google::protobuf::RepeatedPtrField<envoy::config::accesslog::v3::AccessLog>& logs,
    const FileReader& files, const FieldPath& at);

}  // namespace tulle::config
