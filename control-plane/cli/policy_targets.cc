#include "control-plane/cli/policy_targets.h"

#include <algorithm>

namespace tulle::cli {
namespace {

std::string Joined(const Json& list, const std::string& pointer = "") {
  std::string text;
  for (const Json& each : list) text += (text.empty() ? "" : ",") + TextAt(each, pointer);
  return text;
}

std::string WeightsOf(const Json& route) {
  std::string text;
  for (const Json& rule : PartAt(route, "/spec/rules")) {
    for (const Json& backend : PartAt(rule, "/backendRefs")) {
      const std::string weight = TextAt(backend, "/weight");
      const std::string ns = TextAt(backend, "/namespace");
      text += (text.empty() ? "" : ",") + (ns.empty() ? "" : ns + "/") + TextAt(backend, "/name") +
              (weight.empty() ? "" : "=" + weight);
    }
  }
  return text;
}

bool Names(const Json& reference, const std::string& own_ns, const std::string& ns,
           const std::string& service) {
  const std::string stated = TextAt(reference, "/namespace");
  const std::string kind = TextAt(reference, "/kind");
  return (kind == "Service" || kind.empty()) && TextAt(reference, "/name") == service &&
         (stated.empty() ? own_ns : stated) == ns;
}

void AddService(const Json& reference, const std::string& own_ns, std::vector<std::string>* all) {
  const std::string kind = TextAt(reference, "/kind");
  if (!kind.empty() && kind != "Service") return;
  const std::string stated = TextAt(reference, "/namespace");
  const std::string name = TextAt(reference, "/name") + "." + (stated.empty() ? own_ns : stated);
  if (std::find(all->begin(), all->end(), name) == all->end()) all->push_back(name);
}

// Policies of these kinds are not merged: policy/policy_index.h.
bool IsExclusive(const std::string& kind) {
  return kind == "PeerAuthentication" || kind == "EgressPolicy" || kind == "TelemetryPolicy";
}

int BreadthOf(const Json& policy) {
  const std::string kind = TextAt(policy, "/spec/targetRef/kind");
  if (kind == "Mesh") return 2;
  return kind == "Namespace" ? 1 : 0;
}

}  // namespace

const Json* MoreSpecific(const Json& policy, const Json& policies, const std::string& ns,
                         const std::string& service) {
  const std::string kind = TextAt(policy, "/kind");
  if (!IsExclusive(kind)) return nullptr;
  const Json* found = nullptr;
  for (const Json& other : policies) {
    if (TextAt(other, "/kind") != kind || !Concerns(other, ns, service)) continue;
    if (BreadthOf(other) < BreadthOf(found == nullptr ? policy : *found)) found = &other;
  }
  return found;
}

std::vector<std::string> BackendsOf(const Json& route) {
  std::vector<std::string> all;
  for (const Json& rule : PartAt(route, "/spec/rules")) {
    for (const Json& backend : PartAt(rule, "/backendRefs"))
      AddService(backend, TextAt(route, "/metadata/namespace"), &all);
  }
  return all;
}

std::vector<std::string> ParentsOf(const Json& route) {
  std::vector<std::string> all;
  for (const Json& parent : PartAt(route, "/spec/parentRefs"))
    AddService(parent, TextAt(route, "/metadata/namespace"), &all);
  return all;
}

std::string TargetOf(const Json& policy) {
  const Json& target = PartAt(policy, "/spec/targetRef");
  if (target.is_object()) {
    const std::string name = TextAt(target, "/name");
    return TextAt(target, "/kind") + (name.empty() ? "" : "/" + name);
  }
  std::string text;
  for (const Json& parent : PartAt(policy, "/spec/parentRefs")) {
    const std::string port = TextAt(parent, "/port");
    const std::string ns = TextAt(parent, "/namespace");
    text += (text.empty() ? "" : ",") + TextAt(parent, "/kind") + "/" +
            (ns.empty() ? "" : ns + "/") + TextAt(parent, "/name") +
            (port.empty() ? "" : ":" + port);
  }
  return text.empty() ? Joined(PartAt(policy, "/spec/hosts")) : text;
}

bool Concerns(const Json& policy, const std::string& ns, const std::string& service) {
  const std::string own_ns = TextAt(policy, "/metadata/namespace");
  for (const Json& parent : PartAt(policy, "/spec/parentRefs")) {
    if (Names(parent, own_ns, ns, service)) return true;
  }
  const Json& target = PartAt(policy, "/spec/targetRef");
  if (!target.is_object()) return false;
  const std::string kind = TextAt(target, "/kind");
  if (kind == "Mesh") return true;
  if (kind == "Namespace") return own_ns == ns;
  return Names(target, own_ns, ns, service);
}

std::string SummaryOf(const Json& policy) {
  const std::string kind = TextAt(policy, "/kind");
  const auto count = [&](const char* pointer, const std::string& word) {
    return std::to_string(PartAt(policy, pointer).size()) + " " + word;
  };
  if (kind == "HTTPRoute" || kind == "GRPCRoute") return WeightsOf(policy);
  if (kind == "AuthorizationPolicy") {
    return TextAt(policy, "/spec/action") + ", " + count("/spec/rules", "rules");
  }
  if (kind == "PeerAuthentication") return TextAt(policy, "/spec/mode");
  if (kind == "EgressPolicy") return "unknown: " + TextAt(policy, "/spec/unknownDestinations");
  if (kind == "ExternalService") return count("/spec/endpoints", "endpoints");
  std::string parts;
  for (const auto& [key, value] : PartAt(policy, "/spec").items()) {
    if (key != "targetRef") parts += (parts.empty() ? "" : ",") + key;
  }
  return parts;
}

}  // namespace tulle::cli
