// `tullectl logs PROXY --level`: how much a sidecar logs.

#include "control-plane/cli/commands.h"
#include "control-plane/cli/lifetime.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {

absl::StatusOr<int> Logs(Session& session) {
  const Invocation& wanted = session.invocation;
  const auto proxy = FindProxy(session, wanted.name);
  if (!proxy.ok()) return proxy.status();
  const std::string path = ItemPath("/v1/proxies", TextAt(*proxy, "/name")) + "/log-level";
  Json body = {{"level", wanted.log_level}};
  if (!wanted.log_component.empty()) body["component"] = wanted.log_component;
  if (!wanted.ttl.empty()) {
    const auto seconds = ParseLifetime(wanted.ttl);
    if (!seconds.ok()) return seconds.status();
    body["seconds"] = *seconds;
  }
  const auto reply = wanted.log_level.empty() ? session.Get(path) : session.Put(path, body);
  if (!reply.ok()) return reply.status();
  if (session.wants_json()) {
    PrintJson(*reply, wanted.format, session.out());
    return 0;
  }
  session.out() << "The log of " << ShownName(*proxy)
                << (wanted.log_component.empty() ? "" : ", component " + wanted.log_component + ",")
                << " has the level " << TextAt(*reply, "/level")
                << (wanted.ttl.empty() ? "" : " for " + wanted.ttl) << ".\n";
  return 0;
}

}  // namespace tulle::cli
