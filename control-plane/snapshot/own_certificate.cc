#include "control-plane/snapshot/own_certificate.h"

#include "control-plane/snapshot/names.h"
#include "control-plane/snapshot/wire.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"

namespace tulle::snapshot {
namespace {

namespace tlsv3 = envoy::extensions::transport_sockets::tls::v3;
using envoy::config::core::v3::TransportSocket;

template <typename Tls>
bool ReadFromFile(const std::string& sds_file, TransportSocket* socket) {
  Tls tls;
  if (!socket->typed_config().Is<Tls>() || !socket->typed_config().UnpackTo(&tls)) return false;
  for (auto& secret :
       *tls.mutable_common_tls_context()->mutable_tls_certificate_sds_secret_configs()) {
    if (secret.name() != kOwnSecret) continue;
    secret.mutable_sds_config()->mutable_path_config_source()->set_path(sds_file);
  }
  Pack(tls, socket->mutable_typed_config());
  return true;
}

void Change(const std::string& sds_file, TransportSocket* socket) {
  if (!ReadFromFile<tlsv3::UpstreamTlsContext>(sds_file, socket))
    ReadFromFile<tlsv3::DownstreamTlsContext>(sds_file, socket);
}

std::shared_ptr<const Resource> Serialized(const google::protobuf::Message& message,
                                           bool by_name_only) {
  ResourceTable table;
  AddResource("", message, &table, by_name_only);
  return table.begin()->second;
}

}  // namespace

std::shared_ptr<const Resource> WithCertificateFrom(
    const std::string& sds_file, std::string_view type_url,
    const std::shared_ptr<const Resource>& original) {
  if (type_url == kClusterType) {
    envoy::config::cluster::v3::Cluster cluster;
    cluster.ParseFromString(original->bytes);
    for (auto& match : *cluster.mutable_transport_socket_matches()) {
      Change(sds_file, match.mutable_transport_socket());
    }
    return Serialized(cluster, original->by_name_only);
  }
  if (type_url != kListenerType) return original;
  envoy::config::listener::v3::Listener listener;
  listener.ParseFromString(original->bytes);
  for (auto& chain : *listener.mutable_filter_chains()) {
    if (chain.has_transport_socket()) Change(sds_file, chain.mutable_transport_socket());
  }
  return Serialized(listener, original->by_name_only);
}

}  // namespace tulle::snapshot
