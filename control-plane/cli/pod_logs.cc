#include "control-plane/cli/pod_logs.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "control-plane/cli/json_text.h"
#include "control-plane/cli/user_error.h"
#include "k8s/inject/settings.h"
#include "k8s/install/settings.h"

namespace tulle::cli {
namespace {

constexpr int kMostLogLines = 10'000;
constexpr size_t kMostLogBytes = 5 << 20;
// Of the answer, whose begin the API server sends: what is kept is its end.
constexpr size_t kMostLogRead = 32 << 20;
constexpr size_t kLongestPodName = 253;

Json JsonIn(const ApiReply& reply) {
  return Json::parse(reply.body, nullptr, /*allow_exceptions=*/false);
}

absl::Status LogRefused(const ApiReply& reply, const std::string& right, const std::string& ns) {
  std::string message = TextAt(JsonIn(reply), "/message");
  if (message.empty()) message = absl::StrCat("HTTP status ", reply.status);
  // A report has errors without their hints.
  if (reply.status == 403)
    absl::StrAppend(&message, "; check with `kubectl auth can-i ", right, " -n ", ns, "`");
  return UserError("the API server refused: " + message);
}

// Of Kubernetes: also, it is never . or .. in a path.
bool IsPodName(std::string_view text) {
  return !text.empty() && text.size() <= kLongestPodName &&
         absl::ascii_isalnum(static_cast<unsigned char>(text.front())) &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.';
         });
}

bool WasRestarted(const Json& pod, std::string_view container) {
  const Json& states = PartAt(pod, "/status/containerStatuses");
  return std::any_of(states.begin(), states.end(), [&](const Json& state) {
    return TextAt(state, "/name") == container && NumberAt(state, "/restartCount") > 0;
  });
}

}  // namespace

absl::StatusOr<std::vector<LoggingContainer>> ControlContainers(KubernetesApi& api) {
  const std::string ns(install::kNamespace);
  const std::string name(install::kControl);
  const auto reply = api.Send(
      {"GET", absl::StrCat("/api/v1/namespaces/", ns, "/pods?labelSelector=app%3D", name)});
  if (!reply.ok()) return reply.status();
  if (reply->status / 100 != 2) return LogRefused(*reply, "list pods", ns);
  std::vector<LoggingContainer> containers;
  const Json pods = JsonIn(*reply);
  for (const Json& pod : PartAt(pods, "/items")) {
    const std::string pod_name = TextAt(pod, "/metadata/name");
    if (IsPodName(pod_name)) containers.push_back({ns, pod_name, name, WasRestarted(pod, name)});
  }
  return containers;
}

absl::StatusOr<LoggingContainer> SidecarOf(const std::string& pod) {
  const size_t slash = pod.find('/');
  if (slash != std::string::npos && IsPodName(pod.substr(0, slash)) &&
      IsPodName(pod.substr(slash + 1)))
    return LoggingContainer{pod.substr(0, slash), pod.substr(slash + 1),
                            std::string(inject::kSidecarName)};
  return UserError("its pod has no valid name");
}

absl::StatusOr<std::string> ReadLog(KubernetesApi& api, const LoggingContainer& container,
                                    bool previous) {
  k8s::Request request;
  request.target =
      absl::StrCat("/api/v1/namespaces/", container.ns, "/pods/", container.pod,
                   "/log?container=", container.name, "&timestamps=true&tailLines=", kMostLogLines,
                   "&limitBytes=", kMostLogRead, previous ? "&previous=true" : "");
  request.accept = "*/*";  // a log is text, an error JSON
  auto reply = api.Send(request);
  if (!reply.ok()) return reply.status();
  if (reply->status / 100 != 2)
    return LogRefused(*reply, "get pods --subresource=log", container.ns);
  return std::string(LastLines(reply->body, kMostLogBytes));
}

std::string_view LastLines(std::string_view text, size_t most) {
  if (text.size() <= most) return text;
  const size_t line = text.find('\n', text.size() - most - 1);
  return line == std::string_view::npos ? std::string_view() : text.substr(line + 1);
}

}  // namespace tulle::cli
