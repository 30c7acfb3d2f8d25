#pragma once

#include <cstddef>
#include <string>

#include "tests/scale/mesh_api.h"

namespace tulle::scale {

// Asks the API what an open dashboard asks, as often as the page does
// (control-plane/dashboard/page): the mesh, one service's chart of the last hour, the errors. Each
// call makes a connection of its own, which costs more than the page's kept one. Owner: the
// measurement. Thread: main.
class DashboardReader {
 public:
  // `service`: the host whose chart is read.
  DashboardReader(MeshApi& api, std::string service) : api_(api), service_(std::move(service)) {}

  // Reads for `seconds`, every 5 s.
  absl::Status ReadFor(int seconds);

  // Of what was read.
  double slowest_seconds() const { return slowest_seconds_; }
  size_t most_bytes() const { return most_bytes_; }

 private:
  absl::Status ReadAll();

  MeshApi& api_;
  const std::string service_;
  double slowest_seconds_ = 0;
  size_t most_bytes_ = 0;
};

}  // namespace tulle::scale
