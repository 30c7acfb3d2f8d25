#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "net/base/socket_address.h"
#include "net/dns/resolver.h"
#include "net/loop/loop.h"
#include "telemetry/log.h"

namespace tulle::sidecar {

// The value of --control: an address, or a name and a port.
struct ControlTarget {
  std::vector<SocketAddress> addresses;  // one, or none: then a name
  std::string host;
  uint16_t port = 0;
};
absl::StatusOr<ControlTarget> ParseControl(const std::string& text);

// Keeps the addresses of the control plane's name up to date; the next connection uses the newest.
// While the name cannot be resolved the last ones stay. Owner: MeshConfiguration. Thread: main.
class ControlName final {
 public:
  using Found = std::function<void(std::vector<SocketAddress>)>;
  ControlName(loop::Loop& loop, dns::Resolver& resolver, ControlTarget target, telemetry::Log& log,
              Found found);

 private:
  void Ask();
  void OnAnswer(dns::Answer answer);

  loop::Loop& loop_;
  dns::Resolver& resolver_;
  const ControlTarget target_;
  telemetry::Log& log_;
  const Found found_;
  std::unique_ptr<dns::Resolver::Question> question_;
  std::unique_ptr<loop::Timer> timer_;
  std::string error_;  // that was logged
};

}  // namespace tulle::sidecar
