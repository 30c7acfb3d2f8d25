#include "control-plane/api/prometheus_targets.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace tulle::api {
namespace {

// In the metadata of a registration.
constexpr char kMetricsPort[] = "tulle.dev/metrics-port";

}  // namespace

std::string PrometheusTargets(const discovery::Mesh& mesh) {
  nlohmann::json groups = nlohmann::json::array();
  for (const auto& [id, workload] : mesh.workloads) {
    const auto port = workload.metadata.find(kMetricsPort);
    if (port == workload.metadata.end()) continue;
    const bool is_v6 = workload.address.find(':') != std::string::npos;
    const std::string host = is_v6 ? absl::StrCat("[", workload.address, "]") : workload.address;
    nlohmann::json labels = {
        {"instance_id", id}, {"namespace", workload.ns}, {"spiffe_id", workload.spiffe_id}};
    if (!workload.services.empty()) labels["service"] = workload.services.front().name;
    groups.push_back({{"targets", {absl::StrCat(host, ":", port->second)}}, {"labels", labels}});
  }
  return groups.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace tulle::api
