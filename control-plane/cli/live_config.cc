#include "control-plane/cli/live_config.h"

#include <map>
#include <string>

#include "control-plane/cli/commands.h"
#include "control-plane/cli/line_diff.h"
#include "control-plane/cli/proxy_part.h"
#include "control-plane/cli/proxy_tables.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

constexpr char kSecrets[] = "secrets";

// One resource; null: it was not sent, or the proxy does not have it.
struct Pair {
  Json sent;
  Json in_force;
  bool is_static = false;
  bool is_warming = false;
};
using Pairs = std::map<std::string, Pair>;  // by name

std::string PathOf(const Json& proxy) { return ItemPath("/v1/proxies", TextAt(proxy, "/name")); }

// A proxy shows what is public in a secret. The table needs to know its type.
Json AsSent(std::string_view part, const Json& entry) {
  if (part != kSecrets) return PartAt(entry, "/config");
  Json secret = {{"name", TextAt(entry, "/name")}};
  if (PartAt(entry, "/config").contains("trusted_ca"))
    secret["validation_context"] = Json::object();
  return secret;
}

absl::StatusOr<Pairs> ReadPairs(Session& session, const Json& proxy, std::string_view part) {
  const std::string name(part);
  const auto live = session.Get(PathOf(proxy) + "/live/" + name, {{"resources", "true"}});
  if (!live.ok()) return live.status();
  const auto sent = session.Get(PathOf(proxy) + "/config/" + name);
  if (!sent.ok()) return sent.status();
  Pairs pairs;
  for (const Json& item : PartAt(*sent, "/items"))
    pairs[TextAt(item, "/name")].sent = PartAt(item, "/resource");
  for (const Json& entry : PartAt(*live, "/config")) {
    Pair& pair = pairs[TextAt(entry, "/name")];
    pair.in_force = AsSent(part, entry);
    pair.is_static = TrueAt(entry, "/static");
    pair.is_warming = TextAt(entry, "/state") == "warming";
  }
  std::erase_if(pairs, [&session](const auto& each) {
    const Pair& pair = each.second;
    return !IsSelected(session.invocation, each.first,
                       pair.in_force.is_null() ? pair.sent : pair.in_force);
  });
  return pairs;
}

std::string StateOf(std::string_view part, const Pair& pair) {
  if (pair.in_force.is_null()) return "NOT IN FORCE";
  if (pair.is_warming) return "WARMING";
  if (pair.is_static) return "static";
  // A sidecar has its certificate from the CA, not by xDS.
  if (pair.sent.is_null()) return part == kSecrets ? "its own" : "NOT SENT";
  return part == kSecrets || pair.sent == pair.in_force ? "as sent" : "DIFFERS";
}

// With the proxy's own state: connections, health, limits.
absl::StatusOr<int> ShowState(Session& session, const Json& proxy,
                              const std::vector<std::string_view>& parts) {
  Json all;
  for (const std::string_view part : parts) {
    const auto reply = session.Get(PathOf(proxy) + "/live/" + std::string(part));
    if (!reply.ok()) return reply.status();
    all[std::string(part)] = PartAt(*reply, "/config");
  }
  PrintJson(parts.size() == 1 ? all.begin().value() : all, session.invocation.format,
            session.out());
  return 0;
}

}  // namespace

absl::StatusOr<int> ShowLive(Session& session, const Json& proxy,
                             const std::vector<std::string_view>& parts) {
  if (session.wants_json()) return ShowState(session, proxy, parts);
  bool differs = false;
  for (const std::string_view part : parts) {
    const auto pairs = ReadPairs(session, proxy, part);
    if (!pairs.ok()) return pairs.status();
    if (part != parts.front()) session.out() << "\n";
    Table table = ProxyTable(part, "IN FORCE");
    for (const auto& [name, pair] : *pairs) {
      const std::string state = StateOf(part, pair);
      differs |= state == "DIFFERS";
      if (session.invocation.format == Format::kName) session.out() << name << "\n";
      AddResource(part, pair.in_force.is_null() ? pair.sent : pair.in_force, state, &table);
    }
    if (table.empty()) {
      session.err() << "No " << part << " found in " << ShownName(proxy) << ".\n";
    } else if (session.invocation.format != Format::kName) {
      session.Show(table);
    }
  }
  if (differs) {
    session.err() << "Some resources differ from what tulle-control has sent: see `tullectl "
                     "proxy-config "
                  << ShownName(proxy) << " --diff`.\n";
  }
  return 0;
}

absl::StatusOr<int> DiffLive(Session& session, const Json& proxy,
                             const std::vector<std::string_view>& parts) {
  bool differs = false;
  for (const std::string_view part : parts) {
    if (part == kSecrets) continue;
    const auto pairs = ReadPairs(session, proxy, part);
    if (!pairs.ok()) return pairs.status();
    for (const auto& [name, pair] : *pairs) {
      if (pair.is_static) continue;
      const std::string diff = UnifiedDiff(std::string(part) + "/" + name,
                                           pair.in_force.is_null() ? "" : ToYaml(pair.in_force),
                                           pair.sent.is_null() ? "" : ToYaml(pair.sent), "sent");
      differs |= !diff.empty();
      session.out() << diff;
    }
  }
  if (!differs) session.err() << ShownName(proxy) << " has in force what tulle-control has sent.\n";
  return differs ? 1 : 0;
}

bool IsSelected(const Invocation& wanted, const std::string& name, const Json& resource) {
  const bool has_host =
      wanted.fqdn.empty() || name.find(wanted.fqdn) != std::string::npos ||
      PartAt(resource, "/virtual_hosts").dump().find("\"" + wanted.fqdn) != std::string::npos;
  if (wanted.port == 0) return has_host;
  const std::string port = std::to_string(wanted.port);
  const bool has_port = TextAt(resource, "/address/socket_address/port_value") == port ||
                        name == port || name.find("|" + port + "|") != std::string::npos;
  return has_host && has_port;
}

}  // namespace tulle::cli
