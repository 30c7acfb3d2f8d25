#include <algorithm>
#include <cctype>

#include "control-plane/policy/composite_values.h"
#include "control-plane/policy/tables.h"

namespace tulle::policy {
namespace {

bool IsTls(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return std::toupper(c); });
  return text == "HTTPS" || text == "TLS" || text == "SSL";
}

Value<ExternalPort> PortProtocol() {
  Value<ExternalPort> protocol =
      Choice(&ExternalPort::protocol,
             {{"http", Protocol::kHttp}, {"grpc", Protocol::kGrpc}, {"tcp", Protocol::kTcp}});
  protocol.read = [read = protocol.read](ObjectReader& reader, std::string_view key,
                                         ExternalPort& port) {
    const std::string text = reader.Text(key).value_or("");
    if (!IsTls(text)) return read(reader, key, port);
    reader.Complain(key, "unsupported value " + Quoted(text),
                    "use tcp: the application encrypts the connection itself, and its bytes pass "
                    "unchanged");
  };
  return protocol;
}

const Schema<ExternalPort>& PortFields() {
  static const Schema<ExternalPort> schema({
      {"number", Integer(&ExternalPort::number, 1, 65535), kRequired, "Number of the port."},
      {"protocol", PortProtocol(), kRequired,
       "What is spoken at the port. Use tcp for HTTPS and everything else that the application "
       "encrypts itself."},
  });
  return schema;
}

void FinishService(ObjectReader& reader, ExternalService& service) {
  const bool has_addresses = !service.endpoints.empty();
  const bool is_static = reader.Is("resolution", "STATIC");
  if (!is_static && !has_addresses && service.resolution == Resolution::kStatic) {
    service.resolution = Resolution::kDns;
  }
  if (service.resolution == Resolution::kStatic && !has_addresses) {
    reader.Complain("endpoints", "required with resolution: STATIC",
                    "list IP addresses, or use resolution: DNS");
  }
  if (service.resolution != Resolution::kStatic && has_addresses) {
    reader.Complain("endpoints", "cannot be combined with resolution by DNS",
                    "remove endpoints or resolution");
  }
}

}  // namespace

const Schema<ExternalService>& ExternalServiceFields() {
  static const Schema<ExternalService> schema(
      {
          {"hosts", Texts(&ExternalService::hosts, 16, kExternalHostName), kRequired,
           "Names by which it is called. The first is the one that is resolved."},
          {"ports",
           Objects(&ExternalService::ports, PortFields, 16,
                   {"number", [](const ExternalPort& a,
                                 const ExternalPort& b) { return a.number == b.number; }}),
           kRequired, "Ports at which it is called. No port twice."},
          {"endpoints", Texts(&ExternalService::endpoints, 256, kIpAddressText), kNoDefault,
           "IP addresses to connect to. Not with resolution by DNS."},
          {"resolution",
           Choice(&ExternalService::resolution, {{"STATIC", Resolution::kStatic},
                                                 {"DNS", Resolution::kDns},
                                                 {"LOGICAL_DNS", Resolution::kLogicalDns}}),
           "STATIC with `endpoints`, else DNS",
           "How addresses are found. DNS uses all addresses of the first host, LOGICAL_DNS one at "
           "a time."},
      },
      FinishService,
      {{"!has(self.resolution) || "
        "(self.resolution == 'STATIC') == (has(self.endpoints) && size(self.endpoints) > 0)",
        "endpoints are required with resolution STATIC, and not used with resolution by DNS"}});
  return schema;
}

}  // namespace tulle::policy
