// Workloads whose proxy does not register itself: tullectl register and deregister.
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

bool ReadPort(const std::string& text, uint32_t* port) {
  return absl::SimpleAtoi(text, port) && *port >= 1 && *port <= 65535;
}

// 18080:8080:80/http
bool ReadInbound(const std::string& text, Json* inbound) {
  const size_t slash = text.find('/');
  if (slash == std::string::npos || slash + 1 == text.size()) return false;
  std::vector<uint32_t> ports;
  std::string rest = text.substr(0, slash) + ":";
  for (size_t colon = rest.find(':'); colon != std::string::npos; colon = rest.find(':')) {
    if (!ReadPort(rest.substr(0, colon), &ports.emplace_back())) return false;
    rest.erase(0, colon + 1);
  }
  if (ports.size() < 2 || ports.size() > 3) return false;
  inbound->push_back({{"listenPort", ports[0]},
                      {"applicationPort", ports[1]},
                      {"servicePort", ports.back()},
                      {"protocol", text.substr(slash + 1)}});
  return true;
}

// redis:6379=16379
bool ReadOutboundTcp(const std::string& text, Json* outbound) {
  const size_t equals = text.rfind('=');
  const size_t colon = equals == std::string::npos ? equals : text.rfind(':', equals);
  uint32_t port = 0;
  uint32_t listen = 0;
  if (colon == std::string::npos || colon == 0 ||
      !ReadPort(text.substr(colon + 1, equals - colon - 1), &port) ||
      !ReadPort(text.substr(equals + 1), &listen)) {
    return false;
  }
  outbound->push_back(
      {{"service", text.substr(0, colon)}, {"servicePort", port}, {"listenPort", listen}});
  return true;
}

absl::StatusOr<Json> RegistrationOf(Session& session) {
  const Invocation& wanted = session.invocation;
  const RegisterFlags& flags = wanted.registration;
  const std::string account =
      wanted.account.empty() && !wanted.services.empty() ? wanted.services[0] : wanted.account;
  if (account.empty()) {
    return UserError("--service is required",
                     "name the service of the workload, or --account for one that only calls");
  }
  Json inbound = Json::array();
  for (const std::string& text : flags.inbound) {
    if (ReadInbound(text, &inbound)) continue;
    return UserError("invalid --inbound " + text,
                     "expected LISTEN:APPLICATION[:SERVICE]/PROTOCOL, such as 18080:8080:80/http");
  }
  Json outbound = {{"httpPort", flags.outbound_http}, {"tcp", Json::array()}};
  for (const std::string& text : flags.outbound_tcp) {
    if (ReadOutboundTcp(text, &outbound["tcp"])) continue;
    return UserError("invalid --outbound-tcp " + text,
                     "expected SERVICE:PORT=LISTEN, such as redis:6379=16379");
  }
  return Json{{"account", account},       {"namespace", session.Namespace()}, {"id", wanted.name},
              {"address", flags.address}, {"services", wanted.services},      {"inbound", inbound},
              {"outbound", outbound}};
}

}  // namespace

absl::StatusOr<int> RegisterWorkload(Session& session) {
  const auto request = RegistrationOf(session);
  if (!request.ok()) return request.status();
  const auto reply = session.Post("/v1/workloads", *request);
  if (!reply.ok()) return reply.status();
  session.out() << "workload " << TextAt(*reply, "/id") << " registered as "
                << TextAt(*reply, "/spiffeId") << "\n";
  session.err() << "It gets traffic while its proxy is connected. For an Envoy: `tullectl "
                   "envoy-bootstrap "
                << TextAt(*reply, "/id") << " --out FOLDER`.\n";
  return 0;
}

absl::StatusOr<int> DeregisterWorkload(Session& session) {
  const auto reply = session.Delete("/v1/workloads/" + session.invocation.name);
  if (!reply.ok()) return reply.status();
  session.out() << "workload " << session.invocation.name << " removed\n";
  session.err()
      << "Its certificates stay valid until they expire; `tullectl evict` revokes them.\n";
  return 0;
}

}  // namespace tulle::cli
