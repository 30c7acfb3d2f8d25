#include <set>

#include "control-plane/cli/commands.h"
#include "control-plane/cli/table.h"
#include "control-plane/cli/trouble.h"

namespace tulle::cli {
namespace {

constexpr size_t kShownVersion = 12;  // of a hash

std::string Shortened(const std::string& version) { return version.substr(0, kShownVersion); }

// Of one type of resources.
std::string StateOf(const Json& type) {
  if (!TextAt(type, "/rejection").empty()) return "REJECTED";
  return TextAt(type, "/sentVersion") == TextAt(type, "/acknowledgedVersion") ? "SYNCED" : "STALE";
}

// Of a whole proxy: what is wrong names the types.
std::string ConfigurationOf(const Json& proxy) {
  std::string stale;
  std::string rejected;
  for (const Json& type : PartAt(proxy, "/types")) {
    const std::string state = StateOf(type);
    std::string& list = state == "REJECTED" ? rejected : stale;
    if (state != "SYNCED") list += (list.empty() ? "" : ",") + TextAt(type, "/type");
  }
  if (!rejected.empty()) return "REJECTED (" + rejected + ")";
  if (!stale.empty()) return "STALE (" + stale + ")";
  if (!TrueAt(proxy, "/connected")) return "UNKNOWN";
  return PartAt(proxy, "/types").empty() ? "NOTHING SENT" : "SYNCED";
}

std::string AcknowledgedOf(const Json& proxy) {
  std::set<std::string> versions;
  for (const Json& type : PartAt(proxy, "/types")) {
    const std::string version = Shortened(TextAt(type, "/acknowledgedVersion"));
    if (!version.empty()) versions.insert(version);
  }
  std::string text;
  for (const std::string& version : versions) text += (text.empty() ? "" : ",") + version;
  return text;
}

std::string ConnectedOf(const Json& proxy, int64_t now) {
  if (!TrueAt(proxy, "/connected")) return "no";
  const int64_t since = NumberAt(proxy, "/connectedSince");
  return since > 0 ? FormatAge(now - since) : "yes";
}

std::string CertificateOf(const Json& proxy, int64_t now) {
  const int64_t end = NumberAt(proxy, "/certificateNotAfter");
  if (end <= 0) return "";
  return end > now ? "in " + FormatAge(end - now) : "ENDED " + FormatAge(now - end) + " ago";
}

void PrintProxies(Session& session, const Json& items) {
  const bool is_wide = session.invocation.format == Format::kWide;
  const int64_t now = session.environment.now();
  std::vector<std::string> headers = {"PROXY",        "CONNECTED", "CONFIGURATION",
                                      "ACKNOWLEDGED", "CERT ENDS", "REASON"};
  if (is_wide) headers.insert(headers.end(), {"ADDRESS", "IDENTITY"});
  Table table(headers);
  for (const Json& proxy : items) {
    std::vector<std::string> row = {TextAt(proxy, "/name"),    ConnectedOf(proxy, now),
                                    ConfigurationOf(proxy),    AcknowledgedOf(proxy),
                                    CertificateOf(proxy, now), TextAt(proxy, "/rejection")};
    if (is_wide) {
      row.insert(row.end(), {TextAt(proxy, "/address"), TextAt(proxy, "/spiffeId")});
    }
    table.AddRow(std::move(row));
  }
  table.Print(session.out());
}

void PrintTypes(Session& session, const Json& proxy) {
  Table table({"TYPE", "STATE", "SENT", "ACKNOWLEDGED", "REJECTED", "REASON"});
  for (const Json& type : PartAt(proxy, "/types")) {
    table.AddRow({TextAt(type, "/type"), StateOf(type), Shortened(TextAt(type, "/sentVersion")),
                  Shortened(TextAt(type, "/acknowledgedVersion")),
                  TextAt(type, "/rejectedResource"), TextAt(type, "/rejection")});
  }
  if (!table.empty()) table.Print(session.out() << "\n");
}

struct EndpointCount {
  size_t healthy = 0;
  size_t all = 0;
};

EndpointCount CountEndpoints(const Json& port) {
  EndpointCount count;
  for (const Json& endpoint : PartAt(port, "/endpoints")) {
    ++count.all;
    if (TextAt(endpoint, "/health") == "healthy") ++count.healthy;
  }
  return count;
}

void AddService(const Json& service, const Invocation& wanted, Table* table) {
  std::string ports;
  std::string endpoints;
  for (const Json& port : PartAt(service, "/ports")) {
    const EndpointCount count = CountEndpoints(port);
    ports += (ports.empty() ? "" : ",") + TextAt(port, "/number") + "/" + TextAt(port, "/protocol");
    endpoints += (endpoints.empty() ? "" : ",") + std::to_string(count.healthy) + "/" +
                 std::to_string(count.all);
  }
  std::vector<std::string> row = {TextAt(service, "/name"), ports, endpoints,
                                  TextAt(service, "/host")};
  if (wanted.all_namespaces) row.insert(row.begin(), TextAt(service, "/namespace"));
  if (wanted.format == Format::kWide) {
    std::string identities;
    for (const Json& identity : PartAt(service, "/identities")) {
      identities += (identities.empty() ? "" : ",") + TextAt(identity, "");
    }
    row.push_back(identities);
  }
  table->AddRow(std::move(row));
}

}  // namespace

absl::StatusOr<int> Status(Session& session) {
  const std::string& name = session.invocation.name;
  const auto reply = session.Get(name.empty() ? "/v1/proxies" : "/v1/proxies/" + name);
  if (!reply.ok()) return reply.status();
  if (session.wants_json()) {
    PrintJson(*reply, session.invocation.format, session.out());
    return 0;
  }
  const Json items = name.empty() ? PartAt(*reply, "/items") : Json::array({*reply});
  if (items.empty()) {
    session.err() << "No proxies are known. Start one with `tulle-sidecar --control HOST:15012 "
                     "--token-file FILE --state-dir DIR`.\n";
    return 0;
  }
  if (session.invocation.format == Format::kName) {
    for (const Json& proxy : items) session.out() << TextAt(proxy, "/name") << "\n";
    return 0;
  }
  PrintProxies(session, items);
  if (!name.empty()) PrintTypes(session, *reply);
  return 0;
}

absl::StatusOr<int> Services(Session& session) {
  const Invocation& wanted = session.invocation;
  Session::Query query;
  if (!wanted.all_namespaces) query["namespace"] = session.Namespace();
  const auto reply = session.Get("/v1/services", query);
  if (!reply.ok()) return reply.status();
  if (session.wants_json()) {
    PrintJson(*reply, wanted.format, session.out());
    return 0;
  }
  std::vector<std::string> headers = {"NAME", "PORTS", "HEALTHY", "HOST"};
  if (wanted.all_namespaces) headers.insert(headers.begin(), "NAMESPACE");
  if (wanted.format == Format::kWide) headers.push_back("IDENTITIES");
  Table table(headers);
  for (const Json& service : PartAt(*reply, "/items")) {
    if (!wanted.name.empty() && TextAt(service, "/name") != wanted.name) continue;
    if (wanted.format == Format::kName) session.out() << TextAt(service, "/name") << "\n";
    AddService(service, wanted, &table);
  }
  if (table.empty() && !wanted.name.empty()) {
    return Trouble("there is no service named " + wanted.name,
                   "see `tullectl services -A` for those there are");
  }
  if (table.empty()) {
    session.err() << (wanted.all_namespaces
                          ? "No services found.\n"
                          : "No services found in " + session.Namespace() + " namespace.\n");
  } else if (wanted.format != Format::kName) {
    table.Print(session.out());
  }
  return 0;
}

}  // namespace tulle::cli
