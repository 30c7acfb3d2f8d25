// `tullectl explain METHOD URL` and `tullectl authz check`: what would happen to a request now, as
// the sidecars that it would pass decide it. Nothing is sent.

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "certs/spiffe_names.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/request_report.h"
#include "control-plane/cli/user_error.h"
#include "control-plane/diagnosis/explanation.h"
#include "control-plane/diagnosis/request_text.h"

namespace tulle::cli {
namespace {

using diagnosis::ConsideredIn;
using diagnosis::Hop;
using diagnosis::HopLines;
using diagnosis::HopOutcome;
using diagnosis::HopTitle;
using diagnosis::ResultOf;
using diagnosis::ShortService;
using diagnosis::Verdict;
using diagnosis::VerdictOn;

constexpr char kHttp[] = "http://";

// A request that is not sent.
struct Supposed {
  std::string method;
  std::string authority;  // HOST or HOST:PORT
  std::string path;
  std::string headers;  // JSON
};

// Who would call.
struct Caller {
  std::string proxy;  // node ID
  std::string ns;
  std::string spiffe_id;
  std::string address;  // without the port
};

// A workload of the service that would be called.
struct Called {
  std::string proxy;
  std::string port;      // at which its sidecar listens
  int64_t service_port;  // that callers use
};

absl::StatusOr<std::string> HeadersOf(const std::vector<std::string>& lines) {
  Json headers = Json::array();
  for (const std::string& line : lines) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos || colon == 0)
      return UserError("invalid header \"" + line + "\"", "write it as 'name: value'");
    headers.push_back(
        {line.substr(0, colon), std::string(absl::StripAsciiWhitespace(line.substr(colon + 1)))});
  }
  return headers.dump(-1, ' ', true);
}

absl::StatusOr<Supposed> ReadRequest(const Invocation& wanted) {
  const WhatIfFlags& flags = wanted.what_if;
  auto headers = HeadersOf(flags.headers);
  if (!headers.ok()) return headers.status();
  std::string rest = flags.url;
  if (rest.starts_with("https://")) {
    return UserError("HTTPS requests cannot be explained: sidecars do not see inside",
                     "applications in the mesh speak HTTP, and their sidecars use TLS: write "
                     "http://...");
  }
  if (rest.starts_with(kHttp)) rest.erase(0, sizeof kHttp - 1);
  const size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  std::string path = rest.substr(end, rest.find('#') - end);
  if (!path.starts_with('/')) path.insert(0, "/");
  Supposed request{flags.method, rest.substr(0, end), std::move(path), *std::move(headers)};
  if (request.authority.empty())
    return UserError("invalid URL \"" + flags.url + "\"", "write it as http://SERVICE/PATH");
  return request;
}

bool IsIdentity(const std::string& wanted, const std::string& default_ns,
                const std::string& spiffe_id) {
  if (wanted == spiffe_id) return true;
  const certs::WorkloadNames names = certs::WorkloadNamesOf(spiffe_id);
  const std::string account(names.account);
  const std::string ns(names.namespace_name);
  return !account.empty() &&
         (wanted == account + "." + ns || (wanted == account && ns == default_ns));
}

Caller CallerOf(const Json& proxy) {
  Caller caller{TextAt(proxy, "/name"), "", TextAt(proxy, "/spiffeId"), TextAt(proxy, "/address")};
  caller.ns = std::string(certs::WorkloadNamesOf(caller.spiffe_id).namespace_name);
  if (std::count(caller.address.begin(), caller.address.end(), ':') == 1)
    caller.address.resize(caller.address.find(':'));
  return caller;
}

// A connected proxy by its name, or one of that identity.
absl::StatusOr<std::optional<Caller>> FindConnected(Session& session, const std::string& from) {
  const auto all = session.Get("/v1/proxies");
  if (!all.ok()) return all.status();
  for (const Json& proxy : PartAt(*all, "/items")) {
    const bool is_named = TextAt(proxy, "/name") == from || ShownName(proxy) == from;
    if (!is_named && !IsIdentity(from, session.Namespace(), TextAt(proxy, "/spiffeId"))) continue;
    if (TrueAt(proxy, "/connected")) return CallerOf(proxy);
  }
  return std::optional<Caller>();
}

absl::StatusOr<Caller> FindCaller(Session& session, const std::string& from) {
  const auto found = FindConnected(session, from);
  if (!found.ok()) return found.status();
  if (*found) return **found;
  return UserError("no connected proxy is named \"" + from + "\" or has this identity",
                   "list proxies with `tullectl status -o wide`; an identity is ACCOUNT.NAMESPACE");
}

// The address that a workload of that namespace dials for the host; empty: none is known.
absl::StatusOr<std::string> VirtualAddress(Session& session, const Caller& caller,
                                           const std::string& authority) {
  const auto reply = session.Get("/v1/hosts", {{"namespace", caller.ns}});
  if (!reply.ok()) return reply.status();
  const size_t colon = authority.rfind(':');
  const std::string host = authority.substr(0, colon);
  const std::string port = colon == std::string::npos ? "80" : authority.substr(colon + 1);
  for (const Json& each : PartAt(*reply, "/items")) {
    for (const Json& name : PartAt(each, "/names")) {
      if (TextAt(name, "") == host) return TextAt(each, "/address") + ":" + port;
    }
  }
  return std::string();
}

// The port at which the sidecar listens, where peers dial another one that is mapped to it.
absl::StatusOr<std::string> ListeningPort(Session& session, const std::string& workload,
                                          const std::string& dialled) {
  const auto workloads = session.Get("/v1/workloads");
  if (!workloads.ok()) return workloads.status();
  for (const Json& each : PartAt(*workloads, "/items")) {
    if (TextAt(each, "/id") != workload) continue;
    for (const Json& inbound : PartAt(each, "/inbound")) {
      if (TextAt(inbound, "/dialledPort") == dialled) return TextAt(inbound, "/listenPort");
    }
  }
  return dialled;
}

// The workload of the service whose sidecar is asked: the first healthy one that is connected.
absl::StatusOr<std::optional<Called>> FindCalled(Session& session, const std::string& host,
                                                 const std::string& port) {
  const auto proxies = session.Get("/v1/proxies");
  if (!proxies.ok()) return proxies.status();
  std::map<std::string, bool> connected;
  for (const Json& proxy : PartAt(*proxies, "/items"))
    connected[TextAt(proxy, "/name")] = TrueAt(proxy, "/connected");
  const auto services = session.Get("/v1/services");
  if (!services.ok()) return services.status();
  for (const Json& service : PartAt(*services, "/items")) {
    if (TextAt(service, "/host") != host) continue;
    for (const Json& each : PartAt(service, "/ports")) {
      if (!port.empty() && TextAt(each, "/number") != port) continue;
      for (const Json& endpoint : PartAt(each, "/endpoints")) {
        const std::string workload = TextAt(endpoint, "/workload");
        if (TextAt(endpoint, "/health") != "healthy" || !connected[workload]) continue;
        const auto listening = ListeningPort(session, workload, TextAt(endpoint, "/port"));
        if (!listening.ok()) return listening.status();
        return Called{workload, *listening, NumberAt(each, "/number")};
      }
    }
  }
  return std::optional<Called>();
}

absl::StatusOr<Json> Ask(Session& session, const std::string& proxy, const Supposed& request,
                         Session::Query query) {
  query["method"] = request.method;
  query["authority"] = request.authority;
  query["path"] = request.path;
  query["headers"] = request.headers;
  return session.Get(ItemPath("/v1/proxies", proxy) + "/what-if", query);
}

absl::StatusOr<Json> AskCalled(Session& session, const Supposed& request, const Caller& caller,
                               const Called& called) {
  return Ask(
      session, called.proxy, request,
      {{"port", called.port}, {"source", caller.spiffe_id}, {"sourceAddress", caller.address}});
}

// "outbound|80||HOST" -> "80".
std::string PortOf(const std::string& cluster) {
  const std::vector<std::string> parts = absl::StrSplit(cluster, '|');
  return parts.size() > 1 ? parts[1] : "";
}

std::string ExpectedOf(const Json& record) {
  if (!TextAt(record, "/cause").empty() && NumberAt(record, "/status") == 0)
    return "this sidecar would close the connection";
  if (!TextAt(record, "/cause").empty() || NumberAt(record, "/status") != 0)
    return "this sidecar would answer: " + HopOutcome(record);
  return TrueAt(record, "/outbound")
             ? "would be sent to " + ShortService(TextAt(record, "/service"))
             : "would reach the application";
}

void PrintSupposedHop(Session& session, size_t number, const Json& record) {
  session.out() << "\n" << number << ". " << HopTitle(record) << "\n";
  for (const auto& [name, text] : HopLines(record, nullptr)) {
    if (name != "time" && name != "outcome") PrintNamed(session, 3, name, text);
  }
  const std::vector<std::string> considered = ConsideredIn(record);
  for (size_t i = 0; i < considered.size(); ++i)
    PrintNamed(session, 3, i == 0 ? "decided" : "", considered[i]);
  PrintNamed(session, 3, "expected", ExpectedOf(record));
}

std::string SupposedEnd(const Json& record) {
  const int64_t status = NumberAt(record, "/status");
  if (status != 0)
    return absl::StrCat("the route answers ", status, " itself: no service is asked");
  if (!TrueAt(record, "/outbound")) return "the application would answer";
  return TextAt(record, "/service").empty()
             ? "it would leave the mesh: no service of the mesh is asked"
             : "it would be sent to the service";
}

// `port` is that of the service; 0: the caller's sidecar chooses it.
int PrintSupposed(Session& session, const std::vector<Hop>& hops, const std::string& unknown,
                  int64_t port = 0) {
  const Verdict verdict = VerdictOn(hops);
  if (session.wants_json()) {
    Json json = {{"hops", Json::array()}};
    for (const Hop& hop : hops) json["hops"].push_back(hop.record);
    if (!unknown.empty()) json["unknown"] = unknown;
    if (port != 0) json["port"] = port;
    PrintJson(json, session.invocation.format, session.out());
    return verdict.hop < 0 ? 0 : 1;
  }
  if (port != 0) PrintNamed(session, 0, "Port", absl::StrCat(port, " of the service"));
  for (size_t i = 0; i < hops.size(); ++i) PrintSupposedHop(session, i + 1, hops[i].record);
  const std::string end = unknown.empty() ? SupposedEnd(hops.back().record) : unknown;
  PrintVerdict(session, verdict, verdict.hop < 0 ? end : ResultOf(hops, verdict));
  return verdict.hop < 0 ? 0 : 1;
}

// Of ACCOUNT or ACCOUNT.NAMESPACE in the trust domain of the proxy that is asked.
absl::StatusOr<Caller> CallerNamed(Session& session, const std::string& name,
                                   const std::string& asked) {
  const auto proxy = session.Get(ItemPath("/v1/proxies", asked));
  if (!proxy.ok()) return proxy.status();
  const std::string own = TextAt(*proxy, "/spiffeId");
  const std::string domain = own.substr(0, own.find("/ns/"));
  const size_t dot = name.find('.');
  const std::string ns = dot == std::string::npos ? session.Namespace() : name.substr(dot + 1);
  Caller caller;
  caller.spiffe_id = absl::StrCat(domain, "/ns/", ns, "/sa/", name.substr(0, dot));
  if (certs::WorkloadNamesOf(caller.spiffe_id).account.empty())
    return UserError("invalid caller \"" + name + "\"", "use ACCOUNT.NAMESPACE, or a SPIFFE ID");
  session.err() << "note: no connected proxy is named " << name
                << " or has this identity: checked is " << caller.spiffe_id << "\n";
  return caller;
}

// Without `from` it comes in plaintext. A caller that is not connected has an identity all the
// same.
absl::StatusOr<Caller> CheckedCaller(Session& session, const std::string& from,
                                     const std::string& asked) {
  Caller caller;
  if (from.empty()) return caller;
  if (from.starts_with(certs::kSpiffeScheme)) {
    caller.spiffe_id = from;
    return caller;
  }
  const auto found = FindConnected(session, from);
  if (!found.ok()) return found.status();
  if (*found) return **found;
  return CallerNamed(session, from, asked);
}

}  // namespace

absl::StatusOr<int> ExplainWhatIf(Session& session) {
  auto request = ReadRequest(session.invocation);
  if (!request.ok()) return request.status();
  const auto caller = FindCaller(session, session.invocation.what_if.from);
  if (!caller.ok()) return caller.status();
  const auto dialled = VirtualAddress(session, *caller, request->authority);
  if (!dialled.ok()) return dialled.status();
  const auto first =
      Ask(session, caller->proxy, *request, {{"outbound", "true"}, {"destination", *dialled}});
  if (!first.ok()) return first.status();
  std::vector<Hop> hops = {{*first}};
  const std::string service = TextAt(*first, "/service");
  const bool is_answered = !TextAt(*first, "/cause").empty() || NumberAt(*first, "/status") != 0;
  if (is_answered || service.empty()) return PrintSupposed(session, hops, "");
  const auto called = FindCalled(session, service, PortOf(TextAt(*first, "/cluster")));
  if (!called.ok()) return called.status();
  if (!*called) {
    return PrintSupposed(
        session, hops,
        "no sidecar of " + ShortService(service) +
            " is connected to the control plane: what it would decide is not known");
  }
  // As the caller's sidecar would send it on. It cuts the query off, so that stays.
  const std::string query =
      request->path.substr(std::min(request->path.find('?'), request->path.size()));
  request->authority = TextAt(*first, "/authority");
  request->path = TextAt(*first, "/path") + query;
  const auto second = AskCalled(session, *request, *caller, **called);
  if (!second.ok()) return second.status();
  hops.push_back({*second, 1, 0});
  return PrintSupposed(session, hops, "");
}

absl::StatusOr<int> CheckAuthorization(Session& session) {
  const WhatIfFlags& flags = session.invocation.what_if;
  const auto headers = HeadersOf(flags.headers);
  if (!headers.ok()) return headers.status();
  const std::vector<std::string> parts = absl::StrSplit(flags.to, '.');
  const std::string ns = parts.size() > 1 ? parts[1] : session.Namespace();
  const auto services = session.Get("/v1/services", {{"namespace", ns}});
  if (!services.ok()) return services.status();
  std::string host;
  for (const Json& service : PartAt(*services, "/items")) {
    if (TextAt(service, "/name") == parts[0]) host = TextAt(service, "/host");
  }
  if (host.empty()) {
    return UserError("service " + parts[0] + " not found in namespace " + ns,
                     "list services with `tullectl services -A`");
  }
  const auto called = FindCalled(session, host, flags.port == 0 ? "" : std::to_string(flags.port));
  if (!called.ok()) return called.status();
  if (!*called) {
    const std::string port = flags.port == 0 ? "" : " with port " + std::to_string(flags.port);
    return UserError("no sidecar of service " + parts[0] + port + " is connected",
                     "see `tullectl services " + parts[0] + "` and `tullectl status`");
  }
  const auto caller = CheckedCaller(session, flags.from, (*called)->proxy);
  if (!caller.ok()) return caller.status();
  const auto record =
      AskCalled(session, {flags.method, host, flags.path, *headers}, *caller, **called);
  if (!record.ok()) return record.status();
  return PrintSupposed(session, {{*record}}, "", (*called)->service_port);
}

}  // namespace tulle::cli
