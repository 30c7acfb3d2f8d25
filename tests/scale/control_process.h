#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace tulle::scale {

// A tulle-control of the build in a directory of its own, with what the system says of it. Owner:
// the measurement. Thread: main.
class ControlProcess {
 public:
  // `program`: its path. `pin`: it has the first core for itself.
  ControlProcess(std::string program, std::string directory, bool pin);
  ~ControlProcess();  // ends it

  // Waits until it serves.
  absl::Status Start();
  void Kill();  // SIGKILL
  uint16_t grpc_port() const { return grpc_port_; }
  std::string admin_file() const { return directory_ + "/data/admin.json"; }
  std::string log_file() const { return directory_ + "/control.log"; }
  // Of the process that runs now.
  double CpuSeconds() const;
  // How long its loop's thread ran or waited for a core: close to the time that passed while it has
  // more to do than it can, however busy the machine is.
  double DemandSeconds() const;
  double ResidentKib() const;

 private:
  absl::Status Spawn();
  void End(int signal);

  const std::string program_;
  const std::string directory_;
  const bool pin_;
  uint16_t grpc_port_ = 0;
  uint16_t api_port_ = 0;
  uint16_t health_port_ = 0;
  pid_t pid_ = -1;
};

// This thread, and those that it starts from now on, run beside the control plane's core.
void LeaveFirstCore();
// As many descriptors as the system allows. Returns how many.
size_t RaiseDescriptorLimit(size_t wanted);

}  // namespace tulle::scale
