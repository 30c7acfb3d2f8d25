// The whole control plane but for its process: state, services and ports, put together and taken
// apart in order. Owner: main, or a simulation. Thread: the loop's.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "certs/private_key.h"
#include "control-plane/server/control_plane.h"
#include "control-plane/server/frontend.h"
#include "control-plane/server/xds_source.h"
#include "net/grpc/service.h"
#include "net/loop/loop.h"
#include "net/tls/secure_transports.h"
#include "telemetry/log.h"
#include "xds/server/ads_server.h"

namespace tulle::server {

class ControlServer {
 public:
  // All references outlive this.
  static absl::StatusOr<std::unique_ptr<ControlServer>> Open(
      const ControlPlaneOptions& plane, const FrontendOptions& doors, loop::Loop& loop,
      const tls::SecureTransports& transports, certs::KeySource& keys, telemetry::Log& log);

  ControlPlane& plane() { return *plane_; }
  const Frontend& frontend() const { return *frontend_; }

 private:
  ControlServer(loop::Loop& loop, std::unique_ptr<ControlPlane> plane);

  std::unique_ptr<ControlPlane> plane_;
  XdsSource source_;
  xds::AdsServer ads_;
  grpc::ServiceRegistry services_;
  std::unique_ptr<Frontend> frontend_;
};

}  // namespace tulle::server
