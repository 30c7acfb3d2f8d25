// What a Prometheus is to scrape: the metrics listeners of workloads, in the format of its HTTP
// service discovery, a JSON list of {targets, labels}. The answer is the same for all who may ask.
//
// Thread: the loop's. Source: Prometheus' http_sd_config.
#pragma once

#include <cstdint>
#include <string>

#include "control-plane/discovery/mesh.h"

namespace tulle::api {

// Workloads that registered a port for metrics (tulle-sidecar --metrics). Labels: instance_id,
// namespace, service (the first), spiffe_id. Pure.
std::string PrometheusTargets(const discovery::Mesh& mesh);

// For a port where everyone may ask: made once for each version of the mesh. Owner: Frontend.
class PrometheusPage {
 public:
  // `version`: another one whenever the mesh is another one.
  const std::string& Text(const discovery::Mesh& mesh, int64_t version) {
    if (version != version_) {
      text_ = PrometheusTargets(mesh);
      version_ = version;
    }
    return text_;
  }

 private:
  std::string text_;
  int64_t version_ = -1;
};

}  // namespace tulle::api
