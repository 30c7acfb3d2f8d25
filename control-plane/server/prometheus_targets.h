// What a Prometheus is to scrape: the metrics listeners of workloads, in the format of its HTTP
// service discovery, a JSON list of {targets, labels}. Pure.
#pragma once

#include <string>

#include "control-plane/discovery/mesh.h"

namespace tulle::server {

// Workloads that registered a port for metrics (tulle-sidecar --metrics). Labels: instance_id,
// namespace, service (the first), spiffe_id. Source: Prometheus' http_sd_config.
std::string PrometheusTargets(const discovery::Mesh& mesh);

}  // namespace tulle::server
