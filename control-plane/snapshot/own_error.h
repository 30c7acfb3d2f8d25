// Errors that sidecars answer by themselves, since a route leads nowhere. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>

#include "envoy/config/route/v3/route.pb.h"

namespace tulle::snapshot {

struct OwnError {
  uint32_t status = 500;
  // One of sidecar/proxy/failures.cc (failures::OfRoute); Envoys do not read it.
  const char* cause = "";
  std::string body{};
};

// Which policy decides it says SetOwner.
void SetOwnError(const OwnError& error, envoy::config::route::v3::Route* route);

}  // namespace tulle::snapshot
