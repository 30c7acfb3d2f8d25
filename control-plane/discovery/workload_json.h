// A workload as JSON: the registry's record in the store, a line of a workloads file, the API's
// answer. Pure; any thread. Errors: a Status that names the field.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control-plane/discovery/mesh.h"

namespace tulle::discovery {

std::string WorkloadToJson(const Workload& workload);
// Health is no part of the record: a workload read back is healthy until its lease says otherwise.
absl::StatusOr<Workload> WorkloadFromJson(std::string_view json);
// What makes a registration useless or dangerous, wherever it came from.
absl::Status CheckWorkload(const Workload& workload);
// "default/post"; a bare name takes the namespace given.
absl::StatusOr<ServiceName> ParseServiceName(std::string_view text, std::string_view ns);

}  // namespace tulle::discovery
