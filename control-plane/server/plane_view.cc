#include "control-plane/server/plane_view.h"

#include <utility>

#include "control-plane/snapshot/node_resources.h"

namespace tulle::server {

ProxySource::Counts PlaneView::proxy_counts() const {
  return proxies_ == nullptr ? ProxySource::Counts() : proxies_->counts();
}

std::vector<api::ProxyStatus> PlaneView::Proxies(const ProxyRange& range) const {
  return proxies_ == nullptr ? std::vector<api::ProxyStatus>() : proxies_->Proxies(range);
}

std::optional<api::ProxyStatus> PlaneView::ProxyNamed(const std::string& name) const {
  return proxies_ == nullptr ? std::nullopt : proxies_->ProxyNamed(name);
}

snapshot::ResourceTable PlaneView::ConfigOf(const std::string& proxy,
                                            std::string_view type_url) const {
  if (proxies_ != nullptr) {
    if (auto config = proxies_->ConfigOf(proxy, type_url)) return *std::move(config);
  }
  return snapshot::NodeResources(builder_.shared(), builder_.own(), {proxy}).TableOf(type_url);
}

}  // namespace tulle::server
