#include "k8s/inject/probes.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "k8s/inject/settings.h"

namespace tulle::inject {
namespace {

constexpr size_t kLargestProbe = 4096;

// A number, or the name of one of the container's ports. Nothing: there is no such port.
std::optional<int64_t> PortOf(const Json& action, const Json& container) {
  if (const auto number = NumberOf(action, "port", 1, 65535)) return number;
  const std::string name = TextOf(action, "port");
  const Json* ports = Member(container, "ports");
  if (name.empty() || ports == nullptr || !ports->is_array()) return std::nullopt;
  for (const Json& port : *ports) {
    if (TextOf(port, "name") == name) return NumberOf(port, "containerPort", 1, 65535);
  }
  return std::nullopt;
}

Json OwnAction(const std::string& path) {
  return {{"path", path}, {"port", kHealthPort}, {"scheme", "HTTP"}};
}

class Rewriting {
 public:
  Rewriting(const Json& container, AppProbes& into)
      : container_(container), name_(TextOf(container, "name")), into_(into) {}

  // The handler with its action replaced; nothing: it stays as it is.
  std::optional<Json> Replace(const Json& handler, std::initializer_list<const char*> kinds,
                              const std::string& at) {
    for (const char* kind : kinds) {
      const Json* action = Member(handler, kind);
      if (action == nullptr) continue;
      if (!action->is_object() || !TextOf(*action, "host").empty()) return std::nullopt;
      const auto port = PortOf(*action, container_);
      if (!port) {
        into_.warnings.push_back(absl::StrCat("container ", name_,
                                              ": the port of a probe is not one of its ports; the ",
                                              "probe is not changed and fails under STRICT"));
        return std::nullopt;
      }
      Json original = {{kind, *action}};
      original[kind]["port"] = *port;
      if (const auto seconds = NumberOf(handler, "timeoutSeconds", 1, 3600))
        original["timeoutSeconds"] = *seconds;
      if (original.dump(-1, ' ', false, Json::error_handler_t::replace).size() > kLargestProbe)
        return std::nullopt;
      into_.probes[at] = std::move(original);
      Json changed = handler;
      changed.erase(kind);
      changed["httpGet"] = OwnAction(at);
      return changed;
    }
    return std::nullopt;
  }

 private:
  const Json& container_;
  const std::string name_;
  AppProbes& into_;
};

struct Handler {
  const char* member;
  const char* path;
};

}  // namespace

absl::Status RewriteProbes(const Json& container, const std::string& path, Patch& patch,
                           AppProbes& into) {
  constexpr Handler kProbes[] = {
      {"livenessProbe", "livez"}, {"readinessProbe", "readyz"}, {"startupProbe", "startupz"}};
  const std::string name = TextOf(container, "name");
  Rewriting rewriting(container, into);
  for (const Handler& probe : kProbes) {
    const Json* handler = Member(container, probe.member);
    if (handler == nullptr) continue;
    if (!handler->is_object())
      return absl::InvalidArgumentError(
          absl::StrCat(path, "/", probe.member, ": must be an object"));
    const auto changed = rewriting.Replace(*handler, {"httpGet", "tcpSocket", "grpc"},
                                           absl::StrCat("/app-health/", name, "/", probe.path));
    if (changed) patch.Replace(absl::StrCat(path, "/", probe.member), *changed);
  }
  for (const char* hook : {"postStart", "preStop"}) {
    if (Member(container, {"lifecycle", hook, "httpGet"}) == nullptr) continue;
    into.warnings.push_back(absl::StrCat("container ", name, ": its ", hook,
                                         " hook by httpGet is refused under STRICT; use exec"));
  }
  return absl::OkStatus();
}

}  // namespace tulle::inject
