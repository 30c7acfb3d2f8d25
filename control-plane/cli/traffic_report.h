// What the control plane reports of traffic, as far as the command asks for it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "control-plane/cli/session.h"
#include "control-plane/cli/traffic.h"

namespace tulle::cli {

// The account of --from: one without a namespace is of the namespace that is asked for. Empty: any
// caller.
std::string WantedCaller(Session& session);

struct TrafficReport {
  Json reply;  // its links are those that were asked for
  int64_t seconds = 0;
  std::vector<TrafficLink> links;
};

// `path`: of the API. `or_caller`: -n is the namespace of the service or of the caller.
absl::StatusOr<TrafficReport> GetTraffic(Session& session, const std::string& path, bool or_caller);

// Tells that there is nothing to show.
void SayNoTraffic(Session& session);

}  // namespace tulle::cli
