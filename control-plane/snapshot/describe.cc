#include "control-plane/snapshot/describe.h"

#include <google/protobuf/util/json_util.h>

#include <memory>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"

namespace tulle::snapshot {
namespace {

using envoy::extensions::transport_sockets::tls::v3::Secret;

std::unique_ptr<google::protobuf::Message> NewMessage(std::string_view type_url) {
  if (type_url == kClusterType) return std::make_unique<envoy::config::cluster::v3::Cluster>();
  if (type_url == kEndpointType) {
    return std::make_unique<envoy::config::endpoint::v3::ClusterLoadAssignment>();
  }
  if (type_url == kListenerType) return std::make_unique<envoy::config::listener::v3::Listener>();
  if (type_url == kRouteType) {
    return std::make_unique<envoy::config::route::v3::RouteConfiguration>();
  }
  if (type_url == kSecretType) return std::make_unique<Secret>();
  return nullptr;
}

void Redact(Secret* secret) {
  constexpr char kRedacted[] = "[redacted]";
  if (secret->has_tls_certificate()) {
    auto* certificate = secret->mutable_tls_certificate();
    if (certificate->has_private_key()) {
      certificate->mutable_private_key()->set_inline_string(kRedacted);
    }
    certificate->clear_password();
    certificate->clear_pkcs12();
  } else if (secret->has_session_ticket_keys()) {
    secret->mutable_session_ticket_keys()->clear_keys();
  } else if (secret->has_generic_secret()) {
    secret->mutable_generic_secret()->Clear();
  }
}

}  // namespace

std::string DescribeAsJson(std::string_view type_url, const Resource& resource) {
  const std::unique_ptr<google::protobuf::Message> message = NewMessage(type_url);
  if (message == nullptr || !message->ParseFromString(resource.bytes)) return "{}";
  if (type_url == kSecretType) Redact(static_cast<Secret*>(message.get()));
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  return google::protobuf::util::MessageToJsonString(*message, &json, options).ok() ? json : "{}";
}

std::string_view TypeUrlOf(std::string_view word) {
  if (word == "clusters") return kClusterType;
  if (word == "endpoints") return kEndpointType;
  if (word == "listeners") return kListenerType;
  if (word == "routes") return kRouteType;
  if (word == "secrets") return kSecretType;
  return "";
}

}  // namespace tulle::snapshot
