#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "net/loop/loop.h"
#include "sidecar/config/bootstrap.h"
#include "sidecar/dataplane/sidecar.h"
#include "sidecar/discovery/discovery.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"

namespace tulle::sidecar {

// Configuration by --config: an Envoy bootstrap with static resources and, if it names an ADS
// cluster, any control plane behind that. Owner: Process. Thread: main. Order: Load, then Start.
// Errors name the file, the field and what would be right.
class FileConfiguration final {
 public:
  // References outlive this.
  FileConfiguration(loop::Loop& loop, std::string file, Sidecar& sidecar, telemetry::Log& log,
                    telemetry::Registry& metrics);
  ~FileConfiguration();

  absl::Status Load();
  // Where the file wants the admin pages. REQUIRES: Load() succeeded.
  const std::optional<SocketAddress>& admin() const { return bootstrap_->admin; }
  // Publishes what was loaded, and connects to the control plane if there is one.
  absl::Status Start();

 private:
  absl::Status ConnectToAds();

  loop::Loop& loop_;
  const std::string file_;
  Sidecar& sidecar_;
  telemetry::Log& log_;
  telemetry::Registry& metrics_;
  std::optional<config::Bootstrap> bootstrap_;
  std::unique_ptr<Discovery> discovery_;  // null: everything is static
};

}  // namespace tulle::sidecar
