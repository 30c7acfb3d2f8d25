#include "control-plane/snapshot/inspectors.h"

#include "control-plane/snapshot/wire.h"
#include "envoy/extensions/filters/listener/http_inspector/v3/http_inspector.pb.h"
#include "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.pb.h"

namespace tulle::snapshot {
namespace {

namespace inspectors = envoy::extensions::filters::listener;
namespace listenerv3 = envoy::config::listener::v3;

void SetPort(uint32_t port, listenerv3::ListenerFilterChainMatchPredicate* predicate) {
  predicate->mutable_destination_port_range()->set_start(static_cast<int32_t>(port));
  predicate->mutable_destination_port_range()->set_end(static_cast<int32_t>(port) + 1);
}

}  // namespace

void AddTlsInspector(listenerv3::Listener* listener) {
  listenerv3::ListenerFilter* filter = listener->add_listener_filters();
  filter->set_name("envoy.filters.listener.tls_inspector");
  Pack(inspectors::tls_inspector::v3::TlsInspector(), filter->mutable_typed_config());
}

void AddHttpInspector(listenerv3::Listener* listener, const std::vector<uint32_t>& except) {
  listenerv3::ListenerFilter* filter = listener->add_listener_filters();
  filter->set_name("envoy.filters.listener.http_inspector");
  Pack(inspectors::http_inspector::v3::HttpInspector(), filter->mutable_typed_config());
  // Envoy wants at least two in a list.
  if (except.size() == 1) SetPort(except[0], filter->mutable_filter_disabled());
  if (except.size() < 2) return;
  auto* any_of = filter->mutable_filter_disabled()->mutable_or_match();
  for (const uint32_t port : except) SetPort(port, any_of->add_rules());
}

void AddInspectedHttp(listenerv3::FilterChainMatch* match) {
  for (const char* name : {"http/1.0", "http/1.1", "h2c"}) match->add_application_protocols(name);
}

void SetOriginalDestination(bool is_inbound, envoy::config::cluster::v3::Cluster* cluster) {
  using envoy::config::cluster::v3::Cluster;
  cluster->set_type(Cluster::ORIGINAL_DST);
  cluster->set_lb_policy(Cluster::CLUSTER_PROVIDED);
  if (!is_inbound) return;
  auto* bind = cluster->mutable_upstream_bind_config();
  bind->mutable_source_address()->set_address("127.0.0.6");
  bind->mutable_source_address()->set_port_value(0);
  auto* other = bind->add_extra_source_addresses()->mutable_address();
  other->set_address("::6");
  other->set_port_value(0);
}

}  // namespace tulle::snapshot
