#include "sidecar/proxy/workload.h"

#include <initializer_list>
#include <string_view>
#include <utility>

#include "certs/spiffe_names.h"

namespace tulle::proxy {
namespace {

// The first label that is there.
std::string FirstOf(const certs::WorkloadLabels& labels, std::initializer_list<const char*> keys,
                    std::string_view otherwise = {}) {
  for (const char* key : keys) {
    const auto found = labels.find(key);
    if (found != labels.end() && !found->second.empty()) return found->second;
  }
  return std::string(otherwise);
}

}  // namespace

Workload WorkloadOf(std::string spiffe_id, const certs::WorkloadLabels& labels) {
  const certs::WorkloadNames names = certs::WorkloadNamesOf(spiffe_id);
  const bool is_known = !names.account.empty() || !labels.empty();
  Workload workload{std::string(names.account), std::string(names.namespace_name), {}};
  workload.app = FirstOf(labels, {"app", "app.kubernetes.io/name"});
  workload.version = FirstOf(labels, {"version", "app.kubernetes.io/version"});
  workload.cluster = FirstOf(labels, {"topology.istio.io/cluster"});
  workload.canonical_service = FirstOf(
      labels, {"service.istio.io/canonical-name", "app.kubernetes.io/name", "app"}, workload.name);
  workload.canonical_revision = FirstOf(
      labels, {"service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"},
      is_known ? "latest" : "");
  workload.spiffe_id = std::move(spiffe_id);
  return workload;
}

}  // namespace tulle::proxy
