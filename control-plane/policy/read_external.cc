#include <algorithm>

#include "control-plane/policy/names.h"
#include "control-plane/policy/spec_readers.h"

namespace tulle::policy {
namespace {

bool IsTls(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return std::toupper(c); });
  return text == "HTTPS" || text == "TLS" || text == "SSL";
}

ExternalPort ReadPort(const YAML::Node& node, const std::string& path, Diagnosis* diagnosis) {
  ObjectReader reader(node, path, diagnosis);
  ExternalPort port;
  if (!reader.Has("number")) reader.Complain("number", "is missing", "write the port");
  port.number = reader.Integer("number", 1, 65535).value_or(0);
  if (!reader.Has("protocol")) reader.Complain("protocol", "is missing", "http, grpc or tcp");
  if (IsTls(reader.Text("protocol").value_or(""))) {
    reader.Complain("protocol", "is encrypted by the caller itself",
                    "write tcp: the bytes of TLS pass as they are");
    reader.Finish();
    return port;
  }
  port.protocol = reader
                      .Choice<Protocol>("protocol", {{"http", Protocol::kHttp},
                                                     {"grpc", Protocol::kGrpc},
                                                     {"tcp", Protocol::kTcp}})
                      .value_or(Protocol::kTcp);
  reader.Finish();
  return port;
}

void ReadResolution(ObjectReader& spec, ExternalService* service) {
  const auto said =
      spec.Choice<Resolution>("resolution", {{"STATIC", Resolution::kStatic},
                                             {"DNS", Resolution::kDns},
                                             {"LOGICAL_DNS", Resolution::kLogicalDns}});
  const bool has_addresses = !service->endpoints.empty();
  service->resolution = said.value_or(has_addresses ? Resolution::kStatic : Resolution::kDns);
  if (service->resolution == Resolution::kStatic && !has_addresses) {
    spec.Complain("endpoints", "is missing", "write IP addresses, or resolution: DNS");
  }
  if (service->resolution != Resolution::kStatic && has_addresses) {
    spec.Complain("endpoints", "does not go with DNS", "leave one of the two out");
  }
}

// Callers would send to it in plaintext what they mean for a service of the mesh.
void CheckHost(ObjectReader& spec, const std::string& host) {
  if (IsMeshName(host) || host.ends_with(".svc")) {
    spec.Complain("hosts", "\"" + host + "\" is a name of the mesh itself",
                  "a Service decides where it leads: write a name from outside the mesh");
  } else if (!IsDnsName(host)) {
    spec.Complain("hosts", "\"" + host + "\" is no host name", "lower case, without port and *");
  }
}

}  // namespace

ExternalService ReadExternalService(ObjectReader& spec, const std::string&) {
  ExternalService service;
  service.hosts = spec.Texts("hosts", 16);
  if (service.hosts.empty())
    spec.Complain("hosts", "is missing", "write the names it is reached by");
  for (const std::string& host : service.hosts) CheckHost(spec, host);
  spec.List("ports", 16, [&](const YAML::Node& node, const std::string& path) {
    const ExternalPort port = ReadPort(node, path, spec.diagnosis());
    const auto same = [&](const ExternalPort& other) { return other.number == port.number; };
    if (std::any_of(service.ports.begin(), service.ports.end(), same)) {
      spec.diagnosis()->Add(LineOf(node), path + ".number", "stands there twice", "keep one");
    }
    service.ports.push_back(port);
  });
  if (service.ports.empty())
    spec.Complain("ports", "is missing", "write - {number: ..., protocol: ...}");
  service.endpoints = spec.Texts("endpoints", 256);
  for (const std::string& endpoint : service.endpoints) {
    if (!IsIpAddress(endpoint)) {
      spec.Complain("endpoints", "\"" + endpoint + "\" is no IP address",
                    "leave endpoints out: then the first host is resolved by DNS");
    }
  }
  ReadResolution(spec, &service);
  return service;
}

}  // namespace tulle::policy
