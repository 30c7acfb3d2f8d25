#include "control-plane/discovery/workload_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/str_cat.h"
#include "control-plane/policy/names.h"
#include "net/base/socket_address.h"

namespace tulle::discovery {
namespace {

using Json = nlohmann::json;

constexpr uint32_t kMostPort = 65535;
constexpr size_t kMostMetadata = 64;
constexpr size_t kMostMetadataBytes = 8192;  // names and values, all together

std::string TextOf(const ServiceName& service) { return service.ns + "/" + service.name; }

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

bool IsPort(uint32_t port) { return port >= 1 && port <= kMostPort; }

absl::StatusOr<InboundPort> InboundFromJson(const Json& json) {
  InboundPort port;
  port.listen_port = json.at("listenPort").get<uint32_t>();
  port.dialled_port = json.value("dialledPort", uint32_t{0});
  port.application_port = json.at("applicationPort").get<uint32_t>();
  port.service_port = json.value("servicePort", port.application_port);
  const std::string protocol = json.value("protocol", "http");
  const auto parsed = policy::ParseProtocol(protocol);
  if (!parsed) {
    return absl::InvalidArgumentError(absl::StrCat(
        "inbound.protocol \"", protocol, "\" is not supported; use http, grpc, tcp or auto"));
  }
  port.protocol = *parsed;
  port.is_skipped = json.value("skipped", false);
  return port;
}

absl::StatusOr<Outbound> OutboundFromJson(const Json& json, const std::string& ns) {
  Outbound outbound;
  outbound.address = json.value("address", outbound.address);
  outbound.http_port = json.value("httpPort", 0u);
  for (const Json& each : json.value("tcp", Json::array())) {
    TcpOutbound tcp;
    const auto service = ParseServiceName(each.at("service").get<std::string>(), ns);
    if (!service.ok()) return service.status();
    tcp.service = *service;
    tcp.service_port = each.at("servicePort").get<uint32_t>();
    tcp.listen_port = each.at("listenPort").get<uint32_t>();
    outbound.tcp.push_back(std::move(tcp));
  }
  return outbound;
}

Interception InterceptionFromJson(const Json& json) {
  Interception interception;
  interception.outbound_port = json.value("outboundPort", interception.outbound_port);
  interception.inbound_port = json.value("inboundPort", interception.inbound_port);
  interception.has_ipv6 = json.value("ipv6", false);
  return interception;
}

absl::StatusOr<Workload> FromJson(const Json& json) {
  Workload workload;
  workload.id = json.at("id").get<std::string>();
  workload.spiffe_id = json.value("spiffeId", "");
  workload.ns = json.value("namespace", workload.ns);
  workload.address = json.at("address").get<std::string>();
  workload.is_meshed = json.value("meshed", true);
  workload.metadata = json.value("metadata", workload.metadata);
  workload.locality = json.value("locality", "");
  for (const Json& each : json.value("services", Json::array())) {
    const auto service = ParseServiceName(each.get<std::string>(), workload.ns);
    if (!service.ok()) return service.status();
    workload.services.push_back(*service);
  }
  for (const Json& each : json.value("inbound", Json::array())) {
    const auto port = InboundFromJson(each);
    if (!port.ok()) return port.status();
    workload.inbound.push_back(*port);
  }
  auto outbound = OutboundFromJson(json.value("outbound", Json::object()), workload.ns);
  if (!outbound.ok()) return outbound.status();
  workload.outbound = *std::move(outbound);
  if (json.contains("interception")) {
    workload.interception = InterceptionFromJson(json.at("interception"));
  }
  return workload;
}

absl::Status CheckInbound(const Workload& workload) {
  std::set<uint32_t> listening;
  for (const InboundPort& port : workload.inbound) {
    // Peers get the dialled port as it is: one bad number would spoil the service's endpoints for
    // all of them.
    if (!IsPort(port.listen_port) || !IsPort(port.application_port) || !IsPort(port.service_port) ||
        port.dialled_port > kMostPort) {
      return absl::InvalidArgumentError("inbound: invalid port; must be between 1 and 65535");
    }
    const bool is_same = port.listen_port == port.application_port;
    if (workload.interception && !is_same) {
      return absl::InvalidArgumentError(
          "inbound: with a transparent sidecar, listen port and application port must be the same; "
          "use the application's port for both");
    }
    if (!workload.interception && is_same && workload.address == "127.0.0.1") {
      return absl::InvalidArgumentError(
          "inbound: listen port and application port are the same; use another listen port");
    }
    if (!listening.insert(port.listen_port).second) {
      return absl::InvalidArgumentError(absl::StrCat("inbound: duplicate listen port ",
                                                     port.listen_port, "; use each port once"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckInterception(const Workload& workload) {
  if (!workload.interception) return absl::OkStatus();
  const Interception& ports = *workload.interception;
  if (!IsPort(ports.outbound_port) || !IsPort(ports.inbound_port) ||
      ports.outbound_port == ports.inbound_port) {
    return absl::InvalidArgumentError(
        "interception: invalid ports; use two different ports from 1 to 65535");
  }
  for (const InboundPort& port : workload.inbound) {
    if (port.listen_port == ports.outbound_port || port.listen_port == ports.inbound_port) {
      return absl::InvalidArgumentError(
          absl::StrCat("inbound: port ", port.listen_port,
                       " is used by the sidecar itself; use another port for the application"));
    }
  }
  return absl::OkStatus();
}

bool CanBeDialled(const std::string& ip) {
  const auto address = SocketAddress::Parse(ip, 0);
  return address && address->ip_bytes().find_first_not_of('\0') != std::string_view::npos;
}

bool IsPrintable(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// It is stored, and sent to others: what one workload says of itself must not be their burden.
absl::Status CheckMetadata(const std::map<std::string, std::string>& metadata) {
  if (metadata.size() > kMostMetadata) {
    return absl::InvalidArgumentError(
        absl::StrCat("metadata: ", metadata.size(), " entries; give at most ", kMostMetadata));
  }
  size_t bytes = 0;
  for (const auto& [name, value] : metadata) {
    bytes += name.size() + value.size();
    if (name.empty() || !IsPrintable(name) || !IsPrintable(value)) {
      return absl::InvalidArgumentError(
          "metadata: invalid entry (empty name, or control character); remove it");
    }
  }
  if (bytes <= kMostMetadataBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("metadata: ", bytes, " bytes; give at most ", kMostMetadataBytes));
}

absl::Status CheckOutbound(const Outbound& outbound) {
  if (!policy::IsIpAddress(outbound.address)) {
    return absl::InvalidArgumentError("outbound.address: invalid IP address; use 127.0.0.1");
  }
  if (outbound.http_port > kMostPort) {
    return absl::InvalidArgumentError(
        "outbound.httpPort: invalid port; must be between 1 and 65535");
  }
  std::set<uint32_t> listening;
  if (outbound.http_port != 0) listening.insert(outbound.http_port);
  for (const TcpOutbound& tcp : outbound.tcp) {
    if (!IsPort(tcp.listen_port) || !IsPort(tcp.service_port)) {
      return absl::InvalidArgumentError("outbound.tcp: invalid port; must be between 1 and 65535");
    }
    if (!listening.insert(tcp.listen_port).second) {
      return absl::InvalidArgumentError(absl::StrCat("outbound: duplicate listen port ",
                                                     tcp.listen_port, "; use each port once"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ServiceName> ParseServiceName(std::string_view text, std::string_view ns) {
  const size_t slash = text.find('/');
  const bool is_bare = slash == std::string_view::npos;
  const ServiceName service{std::string(is_bare ? ns : text.substr(0, slash)),
                            std::string(is_bare ? text : text.substr(slash + 1))};
  if (!policy::IsDnsLabel(service.ns) || !policy::IsDnsLabel(service.name)) {
    return absl::InvalidArgumentError(absl::StrCat("invalid service \"", View(text.substr(0, 100)),
                                                   "\"; use NAME or NAMESPACE/NAME in lower case"));
  }
  return service;
}

std::string WorkloadToJson(const Workload& workload) {
  Json json = {
      {"id", workload.id},           {"spiffeId", workload.spiffe_id}, {"namespace", workload.ns},
      {"address", workload.address}, {"meshed", workload.is_meshed},   {"services", Json::array()},
      {"inbound", Json::array()},    {"metadata", workload.metadata}};
  for (const ServiceName& service : workload.services) json["services"].push_back(TextOf(service));
  for (const InboundPort& port : workload.inbound) {
    json["inbound"].push_back({{"listenPort", port.listen_port},
                               {"dialledPort", port.dialled_port},
                               {"applicationPort", port.application_port},
                               {"servicePort", port.service_port},
                               {"protocol", std::string(policy::ToText(port.protocol))}});
    if (port.is_skipped) json["inbound"].back()["skipped"] = true;
  }
  Json tcp = Json::array();
  for (const TcpOutbound& each : workload.outbound.tcp) {
    tcp.push_back({{"service", TextOf(each.service)},
                   {"servicePort", each.service_port},
                   {"listenPort", each.listen_port}});
  }
  json["outbound"] = {{"address", workload.outbound.address},
                      {"httpPort", workload.outbound.http_port},
                      {"tcp", tcp}};
  if (workload.interception) {
    json["interception"] = {{"outboundPort", workload.interception->outbound_port},
                            {"inboundPort", workload.interception->inbound_port},
                            {"ipv6", workload.interception->has_ipv6}};
  }
  if (!workload.locality.empty()) json["locality"] = workload.locality;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<Workload> WorkloadFromJson(std::string_view json) {
  try {
    return FromJson(Json::parse(json));
  } catch (const Json::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat("a workload cannot be read: ", error.what(),
                                                   "; it needs id, address, services and inbound"));
  }
}

absl::Status CheckWorkload(const Workload& workload) {
  constexpr size_t kMostPorts = 64;
  if (workload.id.empty() || workload.id.size() > 253) {
    return absl::InvalidArgumentError("the instance id must have 1 to 253 bytes");
  }
  if (!IsPrintable(workload.id)) {
    return absl::InvalidArgumentError(
        "invalid instance id: it contains a control character; use printable characters");
  }
  if (!CanBeDialled(workload.address)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "address: invalid IP address \"", View(std::string_view(workload.address).substr(0, 100)),
        "\"; use one that peers can reach"));
  }
  if (!workload.locality.empty() && !policy::IsLocality(workload.locality)) {
    return absl::InvalidArgumentError(
        "invalid locality; use REGION, REGION/ZONE or REGION/ZONE/SUBZONE");
  }
  if (workload.inbound.size() + workload.outbound.tcp.size() > kMostPorts) {
    return absl::InvalidArgumentError(absl::StrCat("more than ", kMostPorts, " ports"));
  }
  if (absl::Status status = CheckMetadata(workload.metadata); !status.ok()) return status;
  if (absl::Status status = CheckInbound(workload); !status.ok()) return status;
  if (absl::Status status = CheckInterception(workload); !status.ok()) return status;
  return CheckOutbound(workload.outbound);
}

}  // namespace tulle::discovery
