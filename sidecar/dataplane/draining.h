#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "net/loop/loop.h"
#include "sidecar/dataplane/remote_worker.h"

namespace tulle::sidecar {

// Asks the workers again and again whether they have requests left, until they have none or the
// grace period is over. Owner: Sidecar. Thread: main.
class Draining final {
 public:
  using Workers = std::vector<std::unique_ptr<RemoteWorker>>;
  // `workers` outlives this.
  Draining(loop::Loop& main, const Workers& workers);

  // Listeners close once no connection has come for `quiet`. `done` runs when no request is left or
  // `grace` is over; a second call replaces the first.
  void Start(loop::Duration grace, loop::Duration quiet, std::function<void()> done);

 private:
  void Check();

  loop::Loop& main_;
  const Workers& workers_;
  std::unique_ptr<loop::Timer> timer_;
  loop::Instant end_{};
  loop::Duration quiet_{};
  std::function<void()> done_;
};

}  // namespace tulle::sidecar
