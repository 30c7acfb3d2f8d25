#pragma once

#include <cstdint>
#include <string_view>

#include "net/http/head.h"

namespace tulle::proxy {

// What a downstream connection has turned out to be for. Health checks come as long as the workload
// lives, so they must not keep it from ending; clients that still come must.
enum class Purpose : uint8_t {
  kUnknown,      // nothing has been received yet
  kHealthCheck,  // nothing but health checks, by HTTP or gRPC
  kClient,
};

// By its user agent: kubelet's probes, and the active health checks of a sidecar.
inline bool IsHealthCheck(const http::Head& request) {
  const std::string_view agent = request.headers.Get(http::HeaderId::kUserAgent);
  return agent.starts_with("kube-probe/") || agent == "tulle-health-check";
}

}  // namespace tulle::proxy
