#include "sidecar/process/status_pages.h"

#include <google/protobuf/util/json_util.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "certs/certificate.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "sidecar/admin/snapshot_pages.h"
#include "telemetry/version.h"

namespace tulle::sidecar {
namespace {

using config::ResourceKind;
using Json = nlohmann::ordered_json;

std::unique_ptr<google::protobuf::Message> NewMessage(ResourceKind kind) {
  switch (kind) {
    case ResourceKind::kListener:
      return std::make_unique<envoy::config::listener::v3::Listener>();
    case ResourceKind::kRoute:
      return std::make_unique<envoy::config::route::v3::RouteConfiguration>();
    case ResourceKind::kCluster:
      return std::make_unique<envoy::config::cluster::v3::Cluster>();
    case ResourceKind::kEndpoints:
      return std::make_unique<envoy::config::endpoint::v3::ClusterLoadAssignment>();
    case ResourceKind::kSecret:
      return std::make_unique<envoy::extensions::transport_sockets::tls::v3::Secret>();
  }
  return nullptr;
}

Json CertificatesIn(const std::string& pem) {
  Json list = Json::array();
  auto certificates = certs::ParsePemCertificates(pem);
  if (!certificates.ok()) return list;
  for (const certs::Certificate& certificate : *certificates) {
    list.push_back({{"serial_number", certificate.serial()},
                    {"uri_sans", certificate.uri_sans()},
                    {"dns_sans", certificate.dns_sans()},
                    {"not_before", certificate.not_before()},
                    {"not_after", certificate.not_after()}});
  }
  return list;
}

std::string TextOf(const envoy::config::core::v3::DataSource& source) {
  return source.inline_bytes().empty() ? source.inline_string() : source.inline_bytes();
}

// The public part of a secret: never its key.
Json SecretPage(const config::StoredResource& stored) {
  envoy::extensions::transport_sockets::tls::v3::Secret secret;
  secret.ParseFromString(stored.bytes);
  Json page = {{"name", stored.name}};
  if (secret.has_tls_certificate()) {
    page["certificate_chain"] =
        CertificatesIn(TextOf(secret.tls_certificate().certificate_chain()));
    page["private_key"] = "[redacted]";
  } else {
    page["trusted_ca"] = CertificatesIn(TextOf(secret.validation_context().trusted_ca()));
  }
  return page;
}

// Listeners and clusters may contain keys inline, too.
void Redact(Json& json) {
  if (json.is_array() || json.is_object()) {
    for (auto& [key, value] : json.items()) {
      if (key == "private_key" || key == "privateKey" || key == "password" || key == "pkcs12") {
        value = "[redacted]";
      } else {
        Redact(value);
      }
    }
  }
}

Json ResourcePage(const config::StoredResource& stored) {
  if (stored.kind == ResourceKind::kSecret) return SecretPage(stored);
  const std::unique_ptr<google::protobuf::Message> message = NewMessage(stored.kind);
  std::string text;
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  if (!message->ParseFromString(stored.bytes) ||
      !google::protobuf::util::MessageToJsonString(*message, &text, options).ok()) {
    return {{"name", stored.name}};
  }
  Json json = Json::parse(text, nullptr, false);
  Redact(json);
  return json;
}

const char* SectionOf(ResourceKind kind) {
  switch (kind) {
    case ResourceKind::kListener:
      return "listeners";
    case ResourceKind::kRoute:
      return "routes";
    case ResourceKind::kCluster:
      return "clusters";
    case ResourceKind::kEndpoints:
      return "endpoints";
    case ResourceKind::kSecret:
      return "secrets";
  }
  return "";
}

Json EntryOf(const config::StoredResource& stored) {
  return {{"name", stored.name},
          {"static", stored.is_static},
          {"state", stored.active ? "active" : "warming"},
          {"config", ResourcePage(stored)}};
}

std::string ConfigDump(const config::SnapshotLoader& loader) {
  Json dump = Json::object();
  for (const config::StoredResource& stored : loader.Stored())
    dump[SectionOf(stored.kind)].push_back(EntryOf(stored));
  return dump.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string SectionPage(const config::SnapshotLoader& loader, ResourceKind kind) {
  Json page = Json::array();
  for (const config::StoredResource& stored : loader.Stored()) {
    if (stored.kind == kind) page.push_back(EntryOf(stored));
  }
  return page.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::optional<std::string> ResourcesPage(const config::SnapshotLoader& loader,
                                         std::string_view kind) {
  for (const ResourceKind one :
       {ResourceKind::kListener, ResourceKind::kRoute, ResourceKind::kCluster,
        ResourceKind::kEndpoints, ResourceKind::kSecret}) {
    if (kind == SectionOf(one)) return SectionPage(loader, one);
  }
  return std::nullopt;
}

admin::LimitsByCluster LimitsOf(Sidecar& sidecar) {
  admin::LimitsByCluster limits;
  sidecar.VisitLimits(
      [&](const upstream::ClusterSpec& cluster, upstream::ClusterLimits& of_cluster) {
        limits[cluster.name] = &of_cluster;
      });
  return limits;
}

// Secrets by name, and what listeners present, wherever it came from.
std::string CertsPage(config::SnapshotLoader& loader) {
  Json page = {{"certificates", Json::array()}, {"listeners", Json::array()}};
  for (const auto& [name, listener] : loader.Current()->listeners) {
    for (const auto& chain : listener->chains) {
      if (chain->tls == nullptr) continue;
      page["listeners"].push_back({{"listener", name},
                                   {"filter_chain", chain->name},
                                   {"uri_san", chain->own_identity},
                                   {"not_after", chain->own_not_after}});
    }
  }
  for (const config::StoredResource& stored : loader.Stored()) {
    if (stored.kind == ResourceKind::kSecret) page["certificates"].push_back(SecretPage(stored));
  }
  return page.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

void FillStatusPages(Sidecar& sidecar, admin::AdminSource& source) {
  using Reply = admin::AdminSource::Reply;
  source.config_dump_json = [&sidecar](Reply reply) { reply(ConfigDump(sidecar.loader())); };
  source.certs_json = [&sidecar](Reply reply) { reply(CertsPage(sidecar.loader())); };
  source.clusters_text = [&sidecar](Reply reply) {
    reply(admin::ClustersText(*sidecar.loader().Current(), LimitsOf(sidecar)));
  };
  source.clusters_json = [&sidecar](Reply reply) {
    reply(admin::ClustersJson(*sidecar.loader().Current(), LimitsOf(sidecar)));
  };
  source.listeners_text = [&sidecar](Reply reply) {
    reply(admin::ListenersText(*sidecar.loader().Current()));
  };
  source.listeners_json = [&sidecar](Reply reply) {
    reply(admin::ListenersJson(*sidecar.loader().Current()));
  };
  source.server_info_json = [&sidecar](Reply reply) {
    reply(
        Json{{"version", telemetry::kVersion}, {"state", sidecar.draining() ? "DRAINING" : "LIVE"}}
            .dump(1, ' ', false, Json::error_handler_t::replace) +
        "\n");
  };
}

std::optional<std::string> ConfigPage(Sidecar& sidecar, std::string_view kind) {
  constexpr std::string_view kResources = "resources/";
  if (kind.starts_with(kResources)) {
    kind.remove_prefix(kResources.size());
    return ResourcesPage(sidecar.loader(), kind);
  }
  if (kind == "clusters")
    return admin::ClustersJson(*sidecar.loader().Current(), LimitsOf(sidecar));
  if (kind == "listeners") return admin::ListenersJson(*sidecar.loader().Current());
  return ResourcesPage(sidecar.loader(), kind);
}

}  // namespace tulle::sidecar
