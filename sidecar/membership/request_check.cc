#include "sidecar/membership/request_check.h"

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "net/base/names.h"
#include "net/base/socket_address.h"

namespace tulle::sidecar {
namespace {

absl::Status Invalid(const std::string& flag, const std::string& value, const char* problem) {
  return absl::InvalidArgumentError(absl::StrCat(flag, " ", value, ": ", problem));
}

absl::Status Duplicate(const std::string& flag, uint32_t port) {
  return absl::InvalidArgumentError(absl::StrCat(flag, ": duplicate port ", port));
}

absl::Status CheckInbound(const registry::v1::RegisterRequest& request) {
  const bool transparent = request.has_interception();
  const std::string flag = transparent ? "--port" : "--inbound";
  const registry::v1::Interception& own = request.interception();
  std::set<uint32_t> ports;
  for (const registry::v1::Port& port : request.ports()) {
    const uint32_t listens = port.listen_port();
    if (!ports.insert(listens).second) return Duplicate(flag, listens);
    if (transparent && (listens == own.outbound_port() || listens == own.inbound_port()))
      return Invalid(flag, std::to_string(listens),
                     "used by the sidecar itself; change --outbound-port or --inbound-port");
  }
  return absl::OkStatus();
}

absl::Status CheckOutbound(const registry::v1::Outbound& outbound) {
  std::set<uint32_t> ports;
  if (outbound.http_port() != 0) ports.insert(outbound.http_port());
  for (const registry::v1::TcpOutbound& tcp : outbound.tcp()) {
    if (!ports.insert(tcp.listen_port()).second)
      return Duplicate("--outbound-tcp", tcp.listen_port());
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckRequest(const registry::v1::RegisterRequest& request) {
  if (!request.service().empty() && !IsDnsName(request.service()))
    return Invalid("--service", request.service(),
                   "invalid service name; use lower-case letters, digits and -");
  if (!request.address().empty() && !SocketAddress::Parse(request.address(), 1))
    return Invalid("--address", request.address(), "invalid IP address");
  if (!request.locality().empty() && !IsLocality(request.locality()))
    return Invalid("--locality", request.locality(), "expected REGION[/ZONE[/SUBZONE]]");
  if (request.has_interception() &&
      request.interception().outbound_port() == request.interception().inbound_port())
    return absl::InvalidArgumentError("--outbound-port and --inbound-port must differ");
  if (absl::Status inbound = CheckInbound(request); !inbound.ok()) return inbound;
  return CheckOutbound(request.outbound());
}

}  // namespace tulle::sidecar
