#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tests/scale/crew.h"
#include "tests/scale/mesh_api.h"
#include "tests/scale/witness.h"

namespace tulle::scale {

struct PopulationOptions {
  int proxies = 100;
  int services = 10;
  int uses = 10;             // services that each proxy calls
  int popular_percent = 10;  // of the proxies: they call the first service
  bool all_clusters = false;
  double requests = 0;  // that each proxy sends in a second; 0: it tells nothing of its traffic
};

// Host and names of the service number `index`: xDS names as tulle-control makes them.
std::string ServiceName(int index);
std::string HostOfService(int index);
std::string ClusterOfService(int index);
std::string RoutesOfService(int index);

// The imitated sidecars: who belongs to which service, and who calls which. Owner: the
// measurement. Thread: main. Order: MakeTokens, Join, Use.
class Population {
 public:
  Population(const PopulationOptions& options, std::string directory, Witness& witness);

  absl::Status MakeTokens(MeshApi& api);
  // Starts the sidecars, a bounded number at a time, and waits until all are ready.
  absl::Status Join(uint16_t grpc_port);
  // Lets each sidecar use its services, and waits until it is served.
  absl::Status Use(MeshApi& api);
  // How many sidecars call the first service.
  size_t popular_callers() const;
  size_t size() const { return static_cast<size_t>(options_.proxies); }
  std::string token_file(int service) const;

 private:
  std::set<int> ServicesOf(int proxy) const;
  SidecarPlan PlanOf(int proxy, uint16_t grpc_port) const;

  const PopulationOptions options_;
  const std::string directory_;
  Witness& witness_;
  std::vector<std::unique_ptr<Crew>> crews_;
};

}  // namespace tulle::scale
