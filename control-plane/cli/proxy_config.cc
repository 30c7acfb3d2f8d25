// `tullectl proxy-config`: what a proxy was sent. What is in force there: live_config.cc.

#include <map>

#include "control-plane/cli/commands.h"
#include "control-plane/cli/live_config.h"
#include "control-plane/cli/proxy_part.h"
#include "control-plane/cli/proxy_tables.h"
#include "control-plane/cli/table.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

// The endpoints of a proxy, with what it says of its circuit breakers. Several clusters of a
// service share its endpoints, under the name of the first.
void MarkBreakers(const Json& proxy, int64_t now, Json* items) {
  std::map<std::string, std::string> open;  // by name of the endpoints, and address
  for (const Json& breaker : PartAt(proxy, "/openBreakers")) {
    const std::string name =
        NumberAt(breaker, "/port") == 0
            ? TextAt(breaker, "/cluster")
            : "outbound|" + TextAt(breaker, "/port") + "||" + TextAt(breaker, "/host");
    open[name + " " + TextAt(breaker, "/endpoint")] = OpenSince(breaker, now);
  }
  if (open.empty()) return;
  for (Json& item : *items) {
    for (Json& locality : item["resource"]["endpoints"]) {
      for (Json& endpoint : locality["lb_endpoints"]) {
        const auto found =
            open.find(TextAt(item, "/name") + " " + AddressOf(endpoint, "/endpoint/address"));
        if (found != open.end()) endpoint[Json::json_pointer(kOpenBreaker)] = found->second;
      }
    }
  }
}

void PrintPart(Session& session, const std::string& proxy, std::string_view part,
               const Json& items) {
  Table table = ProxyTable(part, "VERSION");
  for (const Json& item : items) {
    if (session.invocation.format == Format::kName) {
      session.out() << TextAt(item, "/name") << "\n";
    }
    AddResource(part, PartAt(item, "/resource"), TextAt(item, "/version").substr(0, kShownVersion),
                &table);
  }
  const bool selects = !session.invocation.fqdn.empty() || session.invocation.port != 0;
  if (table.empty() && selects) {
    session.err() << proxy << " has no " << part << " of this --fqdn and --port.\n";
  } else if (table.empty()) {
    session.err() << proxy << " has no " << part
                  << " (a sidecar receives those of a Service when the Service is first called).\n";
  } else if (session.invocation.format != Format::kName) {
    session.Show(table);
  }
}

}  // namespace

absl::StatusOr<int> ProxyConfig(Session& session) {
  const Invocation& wanted = session.invocation;
  std::vector<std::string_view> parts(kProxyParts.begin(), kProxyParts.end());
  if (!wanted.part.empty() && wanted.part != "all") {
    parts = {ProxyPartNamed(wanted.part)};
    if (parts[0].empty()) {
      return UserError("unknown part \"" + wanted.part + "\" of a proxy's configuration",
                       "known parts: listeners, routes, clusters, endpoints, secrets");
    }
  }
  const auto proxy = FindProxy(session, wanted.name);
  if (!proxy.ok()) return proxy.status();
  const std::string name = TextAt(*proxy, "/name");
  if (wanted.wants_diff) return DiffLive(session, *proxy, parts);
  if (wanted.is_live) return ShowLive(session, *proxy, parts);
  Json all;
  for (const std::string_view part : parts) {
    const auto reply = session.Get(ItemPath("/v1/proxies", name) + "/config/" + std::string(part));
    if (!reply.ok()) return reply.status();
    Json items = PartAt(*reply, "/items");
    std::erase_if(items.get_ref<Json::array_t&>(), [&wanted](const Json& item) {
      return !IsSelected(wanted, TextAt(item, "/name"), PartAt(item, "/resource"));
    });
    if (session.wants_json()) {
      all[std::string(part)] = items;
      if (parts.size() == 1) all = {{"items", std::move(items)}};
      continue;
    }
    if (part != parts.front()) session.out() << "\n";
    if (part == "endpoints") MarkBreakers(*proxy, session.environment.now(), &items);
    PrintPart(session, ShownName(*proxy), part, items);
  }
  if (session.wants_json()) PrintJson(all, wanted.format, session.out());
  return 0;
}

}  // namespace tulle::cli
