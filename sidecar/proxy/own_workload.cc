#include "sidecar/proxy/own_workload.h"

#include <initializer_list>
#include <string_view>
#include <utility>

#include "certs/spiffe_names.h"

namespace tulle::proxy {
namespace {

// The first label that is there.
std::string FirstOf(const WorkloadLabels& labels, std::initializer_list<const char*> keys,
                    std::string_view otherwise = {}) {
  for (const char* key : keys) {
    const auto found = labels.find(key);
    if (found != labels.end() && !found->second.empty()) return found->second;
  }
  return std::string(otherwise);
}

}  // namespace

OwnWorkload OwnWorkloadOf(std::string spiffe_id, const WorkloadLabels& labels) {
  const certs::WorkloadNames names = certs::WorkloadNamesOf(spiffe_id);
  const bool is_known = !names.account.empty() || !labels.empty();
  OwnWorkload own{std::string(names.account), std::string(names.namespace_name), {}};
  own.app = FirstOf(labels, {"app", "app.kubernetes.io/name"});
  own.version = FirstOf(labels, {"version", "app.kubernetes.io/version"});
  own.cluster = FirstOf(labels, {"topology.istio.io/cluster"});
  own.canonical_service = FirstOf(
      labels, {"service.istio.io/canonical-name", "app.kubernetes.io/name", "app"}, own.name);
  own.canonical_revision = FirstOf(
      labels, {"service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"},
      is_known ? "latest" : "");
  own.spiffe_id = std::move(spiffe_id);
  return own;
}

}  // namespace tulle::proxy
