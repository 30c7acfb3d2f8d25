#include "control-plane/server/plane_view.h"

#include <utility>

#include "control-plane/snapshot/node_resources.h"

namespace tulle::server {

ProxySource::Counts PlaneView::proxy_counts() const {
  return proxies_ == nullptr ? ProxySource::Counts() : proxies_->counts();
}

std::vector<api::ProxyStatus> PlaneView::Proxies(const ProxyRange& range) const {
  if (proxies_ == nullptr) return {};
  std::vector<api::ProxyStatus> all = proxies_->Proxies(range);
  for (api::ProxyStatus& each : all) each.pod = PodOf(each.name);
  return all;
}

std::optional<api::ProxyStatus> PlaneView::ProxyNamed(const std::string& name) const {
  if (proxies_ == nullptr) return std::nullopt;
  auto proxy = proxies_->ProxyNamed(name);
  if (proxy) proxy->pod = PodOf(name);
  return proxy;
}

std::string PlaneView::PodOf(const std::string& proxy) const {
  const auto& workloads = CurrentMesh().workloads;
  const auto workload = workloads.find(proxy);
  if (workload == workloads.end()) return "";
  const auto pod = workload->second.metadata.find(discovery::kPodMetadata);
  return pod == workload->second.metadata.end() ? "" : pod->second;
}

snapshot::ResourceTable PlaneView::ConfigOf(const std::string& proxy,
                                            std::string_view type_url) const {
  if (proxies_ != nullptr) {
    if (auto config = proxies_->ConfigOf(proxy, type_url)) return *std::move(config);
  }
  return snapshot::NodeResources(builder_.shared(), builder_.own(), {proxy}).TableOf(type_url);
}

}  // namespace tulle::server
