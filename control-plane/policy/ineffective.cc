#include "control-plane/policy/ineffective.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "control-plane/policy/kinds.h"
#include "control-plane/policy/names.h"
#include "control-plane/policy/policy_index.h"
#include "control-plane/policy/route_precedence.h"
#include "net/usage/suggestion.h"

namespace tulle::policy {
namespace {

std::string TextOf(const ServiceName& service) {
  return "Service " + service.ns + "/" + service.name;
}

std::string At(const std::string& list, size_t index) {
  return list + "[" + std::to_string(index) + "]";
}

bool IsAllTcp(const KnownService& service) {
  return !service.ports.empty() &&
         std::all_of(service.ports.begin(), service.ports.end(),
                     [](const auto& port) { return port.second == Protocol::kTcp; });
}

// Paths of the fields that are set in `json` and need requests, in the order of the tables.
void CollectRequestFields(const ObjectFields& fields, const nlohmann::json& json,
                          const std::string& path, std::vector<std::string>* found) {
  for (const Field* field : fields.Supported()) {
    const auto value = json.find(std::string(field->name));
    if (value == json.end()) continue;
    const std::string at = path + "." + std::string(field->name);
    if (field->effect == Effect::kRequests) {
      found->push_back(at);
    } else if (value->is_object()) {
      CollectRequestFields(field->type.object(), *value, at, found);
    }
  }
}

std::vector<std::string> RequestFieldsOf(const Document& document) {
  const KindEntry& kind = EntryOf(document.key.kind);
  std::vector<std::string> found;
  CollectRequestFields(kind.fields(), kind.write(document.spec), "spec", &found);
  return found;
}

std::string PortsOf(const KnownService& service) {
  std::string text;
  for (const auto& [number, protocol] : service.ports) {
    text += (text.empty() ? "" : ", ") + std::to_string(number);
  }
  return text.empty() ? "none" : text;
}

constexpr size_t kMostCompared = 256;  // names that are compared with one that was not found

// What all documents are checked against.
struct Cluster {
  const KnownServices& services;
  std::map<std::string_view, std::string_view> namespaces;  // the first with a Service of the name
  RoutePrecedence& precedence;
};

// Looks for what has no effect in one document.
class EffectCheck {
 public:
  EffectCheck(const Document& document, const Cluster& cluster, std::vector<Ineffective>* found)
      : document_(document),
        cluster_(cluster),
        services_(cluster.services),
        found_(found),
        most_(found->size() + kMostIneffective) {}

  void operator()(const Route& route) {
    for (size_t i = 0; i < route.parents.size(); ++i) {
      CheckParent(At("spec.parentRefs", i), route.parents[i]);
    }
    CheckHosts("spec.hostnames", route.hostnames);
    for (size_t i = 0; i < route.rules.size(); ++i) {
      CheckBackends(i, route.rules[i]);
      CheckRedirect(At("spec.rules", i), route.rules[i]);
    }
  }
  void operator()(const ResiliencePolicy& policy) {
    const KnownService* service = CheckTarget(policy.target);
    if (service == nullptr || !IsAllTcp(*service)) return;
    for (const std::string& field : RequestFieldsOf(document_)) {
      const bool hashes = field.starts_with("spec.hashOn.");
      Add(field, OnlyTcp(policy.target),
          hashes ? "use hashOn: {sourceIp: true}" : std::string(kDeclareHttp));
    }
  }
  void operator()(const AuthorizationPolicy& policy) {
    const KnownService* service = CheckTarget(policy.target);
    if (service == nullptr) return;
    for (size_t i = 0; i < policy.rules.size(); ++i) {
      CheckRule(At("spec.rules", i) + ".to", policy, policy.rules[i], *service);
    }
  }
  void operator()(const PeerAuthentication& policy) { CheckTarget(policy.target); }
  void operator()(const TelemetryPolicy& policy) { CheckTarget(policy.target); }
  void operator()(const EgressPolicy& policy) { CheckTarget(policy.target); }
  void operator()(const ExternalService& external) { CheckHosts("spec.hosts", external.hosts); }

 private:
  static constexpr std::string_view kDeclareHttp =
      "remove it, or declare the port as http or grpc in the description of its workloads";

  static std::string OnlyTcp(const Target& target) {
    return "no effect: all ports of " + ToText(target) + " are tcp and carry no requests";
  }

  void Add(std::string field, std::string message, std::string hint) {
    if (found_->size() < most_)
      found_->push_back({document_.key, std::move(field), std::move(message), std::move(hint)});
  }

  // Suggests a similar name, or that the Service may be deployed later.
  std::string HintFor(const ServiceName& wanted) const {
    if (const auto there = cluster_.namespaces.find(wanted.name);
        there != cluster_.namespaces.end()) {
      return "namespace " + std::string(there->second) +
             " has a Service of that name: set metadata.namespace to it";
    }
    std::vector<std::string_view> near;
    for (auto each = services_.lower_bound({wanted.ns, ""});
         each != services_.end() && each->first.ns == wanted.ns && near.size() < kMostCompared;
         ++each) {
      near.push_back(each->first.name);
    }
    const auto nearest = usage::NearestName(wanted.name, near);
    return (nearest ? "did you mean " + *nearest + "? " : std::string()) +
           "fix the name, or ignore this if the Service is not deployed yet";
  }

  const KnownService* CheckService(const std::string& field, const ServiceName& name) {
    const auto service = services_.find(name);
    if (service != services_.end()) return &service->second;
    if (found_->size() == most_) return nullptr;
    Add(field, TextOf(name) + " not found", HintFor(name));
    return nullptr;
  }

  // Port 0: every port of the service. Null: not found, which has been reported.
  const KnownService* CheckPort(const std::string& field, const ServiceName& name, uint32_t port) {
    const KnownService* service = CheckService(field, name);
    if (service == nullptr || port == 0 || service->ports.contains(port)) return service;
    Add(field + ".port", TextOf(name) + " has no port " + std::to_string(port),
        "its ports: " + PortsOf(*service));
    return nullptr;
  }

  void CheckParent(const std::string& field, const ParentRef& parent) {
    const KnownService* service = CheckPort(field, parent.service, parent.port.value_or(0));
    if (service == nullptr) return;
    const bool is_tcp =
        parent.port ? service->ports.at(*parent.port) == Protocol::kTcp : IsAllTcp(*service);
    if (!is_tcp) return CheckPrecedence(field, parent, *service);
    Add(field,
        (parent.port
             ? "port " + std::to_string(*parent.port) + " of " + TextOf(parent.service) + " is"
             : "all ports of " + TextOf(parent.service) + " are") +
            " tcp and carry no requests to route",
        std::string(kDeclareHttp));
  }

  // Routes for the port, and GRPCRoutes, may leave none of the ports to this route.
  void CheckPrecedence(const std::string& field, const ParentRef& parent,
                       const KnownService& service) {
    const DocumentKey* other = nullptr;
    for (const auto& [number, protocol] : service.ports) {
      if (parent.port && *parent.port != number) continue;
      const auto& routes = cluster_.precedence.Of(parent.service, number, document_.key.ns);
      if (routes.empty() || routes.contains(document_.key)) return;
      other = &*routes.begin();
    }
    if (other == nullptr) return;
    Add(field,
        "no effect: " + ToText(*other) + " takes precedence on " +
            (parent.port ? "port " + std::to_string(*parent.port) : "every port") + " of " +
            TextOf(parent.service),
        "remove one of the two, or bind them to different ports");
  }

  // A service keeps its own names.
  void CheckHosts(const std::string& field, const std::vector<std::string>& hosts) {
    for (const std::string& host : hosts) {
      CheckHost(field, host, {document_.key.ns, host});
      for (size_t dot = host.find('.'); dot != host.npos; dot = host.find('.', dot + 1)) {
        CheckHost(field, host, {host.substr(dot + 1), host.substr(0, dot)});
      }
    }
  }
  void CheckHost(const std::string& field, const std::string& host, const ServiceName& name) {
    if (!services_.contains(name)) return;
    Add(field, "\"" + host + "\" is a name of " + TextOf(name) + ", which takes precedence",
        "remove it, or use another name");
  }

  void CheckRedirect(const std::string& at, const RouteRule& rule) {
    if (!rule.redirect) return;
    const auto add = [&](bool is_said, const char* field) {
      if (is_said) Add(at + field, "no effect: the rule redirects", "remove it");
    };
    add(!rule.mirrors.empty(), ".filters");
    add(rule.request_timeout || rule.backend_request_timeout, ".timeouts");
    add(rule.retry.has_value(), ".retry");
  }

  // `at`: the rule's `to`.
  void CheckRule(const std::string& at, const AuthorizationPolicy& policy,
                 const AuthorizationRule& rule, const KnownService& service) {
    KnownService concerned;
    for (const auto& [number, protocol] : service.ports) {
      const bool is_named = std::count(rule.ports.begin(), rule.ports.end(), number) > 0;
      if (rule.ports.empty() || is_named) concerned.ports[number] = protocol;
    }
    for (const uint32_t port : rule.ports) {
      if (service.ports.contains(port)) continue;
      Add(at + ".ports", ToText(policy.target) + " has no port " + std::to_string(port),
          "its ports: " + PortsOf(service));
    }
    if ((rule.methods.empty() && rule.paths.empty()) || !IsAllTcp(concerned)) return;
    const bool allows = policy.action == AuthorizationAction::kAllow;
    Add(at + (rule.methods.empty() ? ".paths" : ".methods"),
        std::string("tcp connections have no methods and paths: this rule ") +
            (allows ? "allows nothing" : "denies every connection"),
        "remove methods and paths, or declare the port as http or grpc");
  }

  void CheckBackends(size_t index, const RouteRule& rule) {
    const std::string at = At("spec.rules", index);
    for (size_t i = 0; i < rule.backends.size(); ++i) {
      CheckPort(At(at + ".backendRefs", i), rule.backends[i].service, rule.backends[i].port);
    }
    for (const MirrorFilter& mirror : rule.mirrors) {
      CheckPort(at + ".filters", mirror.service, mirror.port);
    }
  }

  // The Service that is the target. Null: it is not found, or the target is more than one.
  const KnownService* CheckTarget(const Target& target) {
    const std::string field = "spec.targetRef";
    if (target.kind == TargetKind::kService) return CheckService(field, {target.ns, target.name});
    if (target.kind == TargetKind::kNamespace) CheckNamespace(field, target);
    return nullptr;
  }

  void CheckNamespace(const std::string& field, const Target& target) {
    const auto first = services_.lower_bound({target.ns, ""});
    if (first != services_.end() && first->first.ns == target.ns) return;
    Add(field, "namespace " + target.ns + " has no workloads",
        "fix metadata.namespace, or ignore this if nothing is deployed there yet");
  }

  const Document& document_;
  const Cluster& cluster_;
  const KnownServices& services_;
  std::vector<Ineffective>* found_;
  const size_t most_;
};

}  // namespace

std::vector<Ineffective> FindIneffective(const PolicySet& policies, const KnownServices& services) {
  std::vector<Ineffective> found;
  const PolicyIndex index(policies);
  RoutePrecedence precedence(index);
  Cluster cluster{services, {}, precedence};
  for (const auto& [name, service] : services) cluster.namespaces.try_emplace(name.name, name.ns);
  for (const auto& [key, document] : policies.documents()) {
    std::visit(EffectCheck(*document, cluster, &found), document->spec);
  }
  return found;
}

std::string ToText(const Ineffective& ineffective) {
  return ToText(ineffective.policy) + ": " + ineffective.field + ": " + ineffective.message + "; " +
         ineffective.hint;
}

}  // namespace tulle::policy
