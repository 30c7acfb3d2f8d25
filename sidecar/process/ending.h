#pragma once

#include <functional>
#include <vector>

#include "net/loop/loop.h"
#include "sidecar/dataplane/sidecar.h"
#include "telemetry/log.h"

namespace tulle::sidecar {

// The end of the process: its callers go elsewhere first, then requests finish. Owner: Process.
// Thread: main.
class Ending final {
 public:
  struct Times {
    loop::Duration grace;  // for requests to finish
    loop::Duration quiet;  // listeners close when no client has come for so long
  };
  // Removes the workload's endpoints from the mesh; `done` runs in any case.
  using Withdraw = std::function<void(std::function<void()> done)>;

  // References outlive this.
  Ending(loop::Loop& loop, Sidecar& sidecar, telemetry::Log& log, Times times, Withdraw withdraw);

  // The first half, for a preStop hook: endpoints leave the mesh and callers are told to go
  // elsewhere, while everything is still served. `done` runs when that is done, at once if it was
  // done before.
  void Leave(std::function<void()> done);
  // Leaves, drains and stops the loop. The second call stops it at once.
  void Exit();
  // Closes the inbound listeners; the process goes on.
  void DrainOnly();

 private:
  enum class State : uint8_t { kServing, kLeaving, kLeft };
  void OnLeft();

  loop::Loop& loop_;
  Sidecar& sidecar_;
  telemetry::Log& log_;
  const Times times_;
  const Withdraw withdraw_;
  State state_ = State::kServing;
  bool exiting_ = false;
  std::vector<std::function<void()>> waiting_;  // for kLeft
};

}  // namespace tulle::sidecar
