#include "k8s/inject/decision.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace tulle::inject {
namespace {

constexpr std::string_view kSystemNamespaces[] = {"kube-system", "kube-public", "kube-node-lease"};

bool HasSidecar(const Json& spec) {
  for (const char* list : {"initContainers", "containers"}) {
    const Json* containers = Member(spec, list);
    if (containers == nullptr || !containers->is_array()) continue;
    const auto is_sidecar = [](const Json& each) { return TextOf(each, "name") == kSidecarName; };
    if (std::any_of(containers->begin(), containers->end(), is_sidecar)) return true;
  }
  return false;
}

// Of labels that may be absent. Nothing: not set.
absl::StatusOr<std::optional<bool>> Asked(const Json* labels, std::string_view whose) {
  const Json* label = labels == nullptr ? nullptr : Member(*labels, kInjectLabel);
  if (label == nullptr) return std::nullopt;
  const std::string value = label->is_string() ? label->get<std::string>() : label->dump();
  if (value == "enabled") return true;
  if (value == "disabled") return false;
  return absl::InvalidArgumentError(
      absl::StrCat("label tulle.dev/inject of the ", absl::string_view(whose.data(), whose.size()),
                   ": invalid value ", Quoted(value), ": must be enabled or disabled"));
}

Skip WhyNever(const Json& spec, const Namespace& ns, const Settings& settings) {
  if (IsTrue(spec, "hostNetwork"))
    return {"host_network", "it uses the node's network (hostNetwork)"};
  const Json* system = Member(spec, "os");
  if (system != nullptr && TextOf(*system, "name") == "windows")
    return {"windows", "it runs on Windows"};
  const bool is_system = std::find(std::begin(kSystemNamespaces), std::end(kSystemNamespaces),
                                   ns.name) != std::end(kSystemNamespaces);
  if (is_system || ns.name == settings.mesh_namespace)
    return {"system_namespace", absl::StrCat("the namespace ", ns.name, " is never injected")};
  if (HasSidecar(spec)) return {"has_sidecar", "it has a container named tulle-sidecar"};
  return {};
}

}  // namespace

absl::StatusOr<Skip> WhySkipped(const Json& pod, const Namespace& ns, const Settings& settings) {
  const auto by_pod = Asked(Member(pod, {"metadata", "labels"}), "pod");
  if (!by_pod.ok()) return by_pod.status();
  Skip never = WhyNever(*Member(pod, "spec"), ns, settings);
  if (!never.label.empty()) return never;
  if (by_pod->has_value())
    return **by_pod ? Skip() : Skip{"opted_out", "its label tulle.dev/inject is disabled"};
  const auto by_namespace = Asked(&ns.labels, "namespace");
  if (!by_namespace.ok()) return by_namespace.status();
  if (by_namespace->value_or(false)) return Skip();
  return Skip{"not_labelled",
              "neither it nor its namespace has the label tulle.dev/inject=enabled"};
}

}  // namespace tulle::inject
