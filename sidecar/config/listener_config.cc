// Converts listeners, filter chains and TCP proxies.
#include "sidecar/config/listener_config.h"

#include <algorithm>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "envoy/extensions/filters/listener/http_inspector/v3/http_inspector.pb.h"
#include "envoy/extensions/filters/listener/original_dst/v3/original_dst.pb.h"
#include "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/filters/network/rbac/v3/rbac.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "sidecar/config/access_log_config.h"
#include "sidecar/config/rbac_config.h"
#include "sidecar/config/tracing_config.h"

namespace tulle::config {
namespace {

namespace listener_v3 = envoy::config::listener::v3;
namespace core = envoy::config::core::v3;
namespace listener_filters = envoy::extensions::filters::listener;
namespace network = envoy::extensions::filters::network;
using network::http_connection_manager::v3::HttpConnectionManager;
using network::tcp_proxy::v3::TcpProxy;

template <typename Ranges>
absl::Status ReadRanges(const Ranges& ranges, const FieldPath& at,
                        std::vector<std::pair<SocketAddress, uint8_t>>& out) {
  for (int i = 0; i < ranges.size(); ++i) {
    const auto cidr = ToCidr(ranges[i], at[static_cast<size_t>(i)]);
    if (!cidr.ok()) return cidr.status();
    out.emplace_back(cidr->address, cidr->bits);
  }
  return absl::OkStatus();
}

absl::Status ReadMatch(const listener_v3::FilterChainMatch& match, const FieldPath& at,
                       ChainMatch& spec) {
  if (match.has_destination_port()) {
    const uint32_t port = match.destination_port().value();
    if (port == 0 || port > 65535) return (at / "destination_port").Error("must be 1 to 65535");
    spec.destination_port = static_cast<uint16_t>(port);
  }
  spec.transport_protocol = match.transport_protocol();
  if (!spec.transport_protocol.empty() && spec.transport_protocol != "tls" &&
      spec.transport_protocol != "raw_buffer") {
    return (at / "transport_protocol").Error("must be tls or raw_buffer");
  }
  spec.application_protocols.assign(match.application_protocols().begin(),
                                    match.application_protocols().end());
  for (const std::string& name : match.server_names()) {
    if (name.find('*') != std::string::npos && !name.starts_with("*.")) {
      return (at / "server_names")
          .Error(absl::StrCat("'", name, "': '*' is only allowed at the beginning, as in \"*.\""));
    }
    spec.server_names.push_back(absl::AsciiStrToLower(name));
  }
  auto status =
      ReadRanges(match.source_prefix_ranges(), at / "source_prefix_ranges", spec.source_prefixes);
  status.Update(ReadRanges(match.prefix_ranges(), at / "prefix_ranges", spec.destination_prefixes));
  return status;
}

absl::Status ReadTcpClusters(const TcpProxy& proxy, const FieldPath& at, TcpSpec& spec) {
  if (proxy.cluster_specifier_case() == TcpProxy::kCluster && !proxy.cluster().empty()) {
    spec.clusters.emplace_back(proxy.cluster(), 1);
    return absl::OkStatus();
  }
  for (const auto& cluster : proxy.weighted_clusters().clusters()) {
    if (cluster.name().empty() || cluster.weight() == 0) {
      return (at / "weighted_clusters.clusters")
          .Error("each entry needs a name and a weight greater than 0");
    }
    spec.clusters.emplace_back(cluster.name(), cluster.weight());
  }
  return spec.clusters.empty() ? at.Error("needs cluster or weighted_clusters") : absl::OkStatus();
}

absl::StatusOr<TcpSpec> ToTcp(const TcpProxy& proxy, const ListenerConversion& conversion,
                              const FieldPath& at) {
  TcpSpec spec;
  spec.stat_prefix = proxy.stat_prefix();
  if (spec.stat_prefix.empty()) return (at / "stat_prefix").Error("is required");
  if (auto status = ReadTcpClusters(proxy, at, spec); !status.ok()) return status;
  TULLE_READ_MILLISECONDS(proxy, idle_timeout, at, spec.idle_timeout);
  if (proxy.has_max_connect_attempts()) {
    spec.max_connect_attempts = proxy.max_connect_attempts().value();
    if (spec.max_connect_attempts == 0 || spec.max_connect_attempts > 100) {
      return (at / "max_connect_attempts").Error("must be 1 to 100");
    }
  }
  for (const auto& policy : proxy.hash_policy()) spec.hash_source_ip |= policy.has_source_ip();
  auto logs = ToAccessLogs(proxy.access_log(), *conversion.files, at / "access_log");
  if (!logs.ok()) return logs.status();
  spec.access_logs = *std::move(logs);
  return spec;
}

absl::Status ReadRbac(const google::protobuf::Any& config, const FieldPath& at,
                      FilterChainSpec& spec) {
  network::rbac::v3::RBAC rbac;
  if (!config.UnpackTo(&rbac)) {
    return at.Error(absl::StrCat("'", config.type_url(),
                                 "' is not implemented here: before the last filter only the "
                                 "network RBAC filter is"));
  }
  auto authorization = ToAuthorization(rbac, at);
  if (!authorization.ok()) return authorization.status();
  spec.authorization.push_back(*std::move(authorization));
  return absl::OkStatus();
}

absl::Status ReadProxy(const google::protobuf::Any& config, ListenerConversion& conversion,
                       const FieldPath& at, FilterChainSpec& spec) {
  HttpConnectionManager manager;
  TcpProxy proxy;
  if (config.UnpackTo(&manager)) {
    auto http = ToHttp(manager, conversion, at);
    if (!http.ok()) return http.status();
    spec.proxy = *std::move(http);
  } else if (config.UnpackTo(&proxy)) {
    auto tcp = ToTcp(proxy, conversion, at);
    if (!tcp.ok()) return tcp.status();
    spec.proxy = *std::move(tcp);
  } else {
    return at.Error("the last filter must be HttpConnectionManager or TcpProxy");
  }
  return absl::OkStatus();
}

void SetKeys(const listener_v3::FilterChain& chain, FilterChainSpec& spec) {
  const uint64_t socket =
      chain.has_transport_socket() ? ServerSocketKey(chain.transport_socket()) : 0;
  listener_v3::FilterChain rest = chain;
  rest.clear_transport_socket();
  spec.key = HashOf(DeterministicBytes(rest), socket);
  rest.clear_filters();
  rest.clear_metadata();
  spec.opening_key = HashOf(DeterministicBytes(rest), socket);
}

// Of metadata.filter_metadata["tulle"], what has no field in Envoy; empty: there is none.
std::string OwnText(const core::Metadata& metadata, const char* name) {
  const auto own = metadata.filter_metadata().find("tulle");
  if (own == metadata.filter_metadata().end()) return "";
  const auto text = own->second.fields().find(name);
  return text == own->second.fields().end() ? "" : text->second.string_value();
}

absl::StatusOr<std::shared_ptr<FilterChainSpec>> ToChain(const listener_v3::FilterChain& chain,
                                                         ListenerConversion& conversion,
                                                         TlsConversion& tls, const FieldPath& at) {
  auto spec = std::make_shared<FilterChainSpec>();
  spec->name = chain.name();
  spec->service = OwnText(chain.metadata(), "service");
  auto status = ReadMatch(chain.filter_chain_match(), at / "filter_chain_match", spec->match);
  if (!status.ok()) return status;
  const int count = chain.filters_size();
  if (count == 0) return (at / "filters").Error("needs at least one");
  for (int i = 0; i < count; ++i) {
    const auto& config = chain.filters(i).typed_config();
    const FieldPath here = (at / "filters")[static_cast<size_t>(i)] / "typed_config";
    status =
        i + 1 < count ? ReadRbac(config, here, *spec) : ReadProxy(config, conversion, here, *spec);
    if (!status.ok()) return status;
  }
  if (auto* http = std::get_if<HttpSpec>(&spec->proxy)) {
    status = ReadOwnTracing(chain.metadata(), at / "metadata", http->tracing);
    if (!status.ok()) return status;
  }
  TULLE_READ_MILLISECONDS(chain, transport_socket_connect_timeout, at, spec->handshake_timeout);
  SetKeys(chain, *spec);
  if (!chain.has_transport_socket()) return spec;
  auto made = ToServerSocket(chain.transport_socket(), spec->handshake_timeout, tls,
                             at / "transport_socket");
  if (!made.ok()) return made.status();
  spec->tls = std::move(made->tls);
  spec->own_identity = std::move(made->own_identity);
  spec->own_not_after = made->own_not_after;
  return spec;
}

absl::Status ReadInspectors(const listener_v3::Listener& listener, const FieldPath& at,
                            ListenerSpec& spec) {
  for (int i = 0; i < listener.listener_filters_size(); ++i) {
    const auto& filter = listener.listener_filters(i);
    const auto& config = filter.typed_config();
    if (config.Is<listener_filters::tls_inspector::v3::TlsInspector>()) {
      spec.inspect_tls = true;
    } else if (config.Is<listener_filters::http_inspector::v3::HttpInspector>()) {
      spec.inspect_http = true;
    } else if (config.Is<listener_filters::original_dst::v3::OriginalDst>()) {
      spec.restore_destination = true;
    } else {
      return (at / "listener_filters")[static_cast<size_t>(i)].Error(
          absl::StrCat("'", filter.name(), "' (", config.type_url(),
                       ") is not implemented: use tls_inspector, http_inspector or original_dst"));
    }
  }
  return absl::OkStatus();
}

// TLS is terminated here and the server name selected the chain.
void CollectOtherServerNames(const std::vector<std::shared_ptr<FilterChainSpec>>& chains) {
  for (const auto& own : chains) {
    const bool by_name = own->tls != nullptr && !own->match.server_names.empty();
    if (!by_name || !std::holds_alternative<HttpSpec>(own->proxy)) continue;
    for (const auto& other : chains) {
      const uint16_t port = other->match.destination_port;
      if (other == own || (port != 0 && port != own->match.destination_port)) continue;
      own->names_elsewhere.insert(own->names_elsewhere.end(), other->match.server_names.begin(),
                                  other->match.server_names.end());
    }
  }
}

absl::Status ReadChains(const listener_v3::Listener& listener, ListenerConversion& conversion,
                        TlsConversion& tls, const FieldPath& at, ListenerSpec& spec) {
  std::map<std::string, int> matches;
  std::vector<std::shared_ptr<FilterChainSpec>> chains;
  for (int i = 0; i < listener.filter_chains_size(); ++i) {
    const auto& chain = listener.filter_chains(i);
    const FieldPath here = (at / "filter_chains")[static_cast<size_t>(i)];
    const auto [same, fresh] = matches.emplace(DeterministicBytes(chain.filter_chain_match()), i);
    if (!fresh) {
      return (here / "filter_chain_match")
          .Error(absl::StrCat("matches the same as filter_chains[", same->second,
                              "]: filter chains must be unambiguous"));
    }
    auto converted = ToChain(chain, conversion, tls, here);
    if (!converted.ok()) return converted.status();
    chains.push_back(*std::move(converted));
  }
  CollectOtherServerNames(chains);
  spec.chains.assign(chains.begin(), chains.end());
  if (listener.has_default_filter_chain()) {
    auto converted =
        ToChain(listener.default_filter_chain(), conversion, tls, at / "default_filter_chain");
    if (!converted.ok()) return converted.status();
    spec.default_chain = *std::move(converted);
  }
  if (spec.chains.empty() && spec.default_chain == nullptr) {
    return (at / "filter_chains").Error("needs at least one");
  }
  return absl::OkStatus();
}

// If no chain matches on HTTP, the codec inspects the first bytes itself.
bool AsksForHttp(const ListenerSpec& spec) {
  const auto asks = [](const std::string& name) {
    return name == "http/1.0" || name == "http/1.1" || name == "h2c";
  };
  return std::any_of(spec.chains.begin(), spec.chains.end(), [&](const auto& chain) {
    const auto& names = chain->match.application_protocols;
    return std::any_of(names.begin(), names.end(), asks);
  });
}

void ReadDestination(const listener_v3::Listener& listener, ListenerSpec& spec) {
  spec.hand_off = listener.use_original_dst().value();
  spec.restore_destination |= spec.hand_off;
  spec.bind = !listener.has_bind_to_port() || listener.bind_to_port().value();
}

absl::Status ReadSizes(const listener_v3::Listener& listener, const FieldPath& at,
                       ListenerSpec& spec) {
  if (listener.has_tcp_backlog_size()) {
    if (listener.tcp_backlog_size().value() > 65535) {
      return (at / "tcp_backlog_size").Error("must be 0 to 65535");
    }
    spec.backlog = static_cast<int>(listener.tcp_backlog_size().value());
  }
  TULLE_READ_MILLISECONDS(listener, listener_filters_timeout, at, spec.inspection_timeout);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const ListenerSpec>> ToListener(
    const listener_v3::Listener& listener, ListenerConversion& conversion, TlsConversion& tls,
    const FieldPath& at) {
  auto spec = std::make_shared<ListenerSpec>();
  spec->name = listener.name();
  if (spec->name.empty()) return (at / "name").Error("is required");
  auto address = ToAddress(listener.address(), at / "address");
  if (!address.ok()) return address.status();
  spec->address = *address;
  spec->peer_authentication = OwnText(listener.metadata(), "peer_authentication");
  spec->direction = listener.traffic_direction() == core::INBOUND    ? Direction::kInbound
                    : listener.traffic_direction() == core::OUTBOUND ? Direction::kOutbound
                                                                     : Direction::kUnspecified;
  spec->continue_on_inspection_timeout = listener.continue_on_listener_filters_timeout();
  auto status = ReadInspectors(listener, at, *spec);
  status.Update(ReadSizes(listener, at, *spec));
  status.Update(ReadChains(listener, conversion, tls, at, *spec));
  if (!status.ok()) return status;
  spec->inspect_http &= AsksForHttp(*spec);
  ReadDestination(listener, *spec);
  return spec;
}

}  // namespace tulle::config
