#include "control-plane/policy/ineffective.h"

#include <algorithm>
#include <utility>

#include "control-plane/policy/names.h"

namespace tulle::policy {
namespace {

std::string TextOf(const ServiceName& service) {
  return "Service " + service.ns + "/" + service.name;
}

std::string At(const std::string& list, size_t index) {
  return list + "[" + std::to_string(index) + "]";
}

std::string PortsOf(const KnownService& service) {
  std::string text;
  for (const auto& [number, protocol] : service.ports) {
    text += (text.empty() ? "" : ", ") + std::to_string(number);
  }
  return text.empty() ? "none" : text;
}

// Judges one document; what it finds goes to one list.
class Judge {
 public:
  Judge(const Document& document, const KnownServices& services, std::vector<Ineffective>* found)
      : document_(document), services_(services), found_(found) {}

  void operator()(const HttpRoute& route) {
    for (size_t i = 0; i < route.parents.size(); ++i) {
      const ParentRef& parent = route.parents[i];
      CheckPort(At("spec.parentRefs", i), parent.service, parent.port.value_or(0));
    }
    for (size_t i = 0; i < route.rules.size(); ++i) CheckBackends(i, route.rules[i]);
  }
  void operator()(const ResiliencePolicy& policy) { CheckTarget(policy.target); }
  void operator()(const AuthorizationPolicy& policy) { CheckTarget(policy.target); }
  void operator()(const PeerAuthentication& policy) { CheckTarget(policy.target); }
  void operator()(const TelemetryPolicy& policy) { CheckTarget(policy.target); }
  void operator()(const EgressPolicy& policy) { CheckTarget(policy.target); }
  void operator()(const ExternalService&) {}

 private:
  void Add(std::string field, std::string message, std::string hint) {
    found_->push_back({document_.key, std::move(field), std::move(message), std::move(hint)});
  }

  // What is near the name that nobody serves, in words; or that it may come yet.
  std::string HintFor(const ServiceName& wanted) const {
    std::vector<std::string_view> near;
    for (const auto& [name, service] : services_) {
      if (name.name == wanted.name) {
        return "there is one in namespace " + name.ns + ": set metadata.namespace to it";
      }
      if (name.ns == wanted.ns) near.push_back(name.name);
    }
    const auto nearest = NearestName(wanted.name, near);
    return (nearest ? "did you mean " + *nearest + "? " : std::string()) +
           "mend the name, or start a workload of that Service";
  }

  const KnownService* CheckService(const std::string& field, const ServiceName& name) {
    const auto service = services_.find(name);
    if (service != services_.end()) return &service->second;
    Add(field, "no workload serves " + TextOf(name), HintFor(name));
    return nullptr;
  }

  // Port 0: every port of the service.
  void CheckPort(const std::string& field, const ServiceName& name, uint32_t port) {
    const KnownService* service = CheckService(field, name);
    if (service == nullptr || port == 0 || service->ports.contains(port)) return;
    Add(field + ".port", TextOf(name) + " has no port " + std::to_string(port),
        "its ports: " + PortsOf(*service));
  }

  void CheckBackends(size_t index, const HttpRouteRule& rule) {
    const std::string at = At("spec.rules", index);
    for (size_t i = 0; i < rule.backends.size(); ++i) {
      CheckPort(At(at + ".backendRefs", i), rule.backends[i].service, rule.backends[i].port);
    }
    for (const MirrorFilter& mirror : rule.mirrors) {
      CheckPort(at + ".filters", mirror.service, mirror.port);
    }
  }

  void CheckTarget(const Target& target) {
    const std::string field = "spec.targetRef";
    if (target.kind == TargetKind::kService) CheckService(field, {target.ns, target.name});
    if (target.kind != TargetKind::kNamespace) return;
    const auto lies_there = [&](const auto& entry) { return entry.first.ns == target.ns; };
    if (std::any_of(services_.begin(), services_.end(), lies_there)) return;
    Add(field, "no workload serves anything in namespace " + target.ns,
        "mend metadata.namespace, or start a workload there");
  }

  const Document& document_;
  const KnownServices& services_;
  std::vector<Ineffective>* found_;
};

}  // namespace

std::vector<Ineffective> FindIneffective(const PolicySet& policies, const KnownServices& services) {
  std::vector<Ineffective> found;
  for (const auto& [key, document] : policies.documents()) {
    std::visit(Judge(*document, services, &found), document->spec);
  }
  return found;
}

std::string ToText(const Ineffective& ineffective) {
  return ToText(ineffective.policy) + ": " + ineffective.field + ": " + ineffective.message + "; " +
         ineffective.hint;
}

}  // namespace tulle::policy
