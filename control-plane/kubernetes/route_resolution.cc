#include "control-plane/kubernetes/route_resolution.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tulle::kubernetes {
namespace {

constexpr size_t kMostFaults = 3;  // in a message

struct RefFault {
  std::string reason;
  std::string message;
};

std::string NameOf(const ServiceName& service) {
  return absl::StrCat("Service ", service.ns, "/", service.name);
}

bool HasPort(const ServiceFacts& service, uint32_t port) {
  return service.declared.ports.contains(port);
}

// Resolves one route.
class Resolver {
 public:
  Resolver(const RouteObject& route, const FindService& find_service, const ReferenceGrants& grants,
           const std::set<ServiceName>& full)
      : route_(route), find_service_(find_service), grants_(grants), full_(full) {}

  RouteResolution Run() {
    const Condition resolved = ResolveRefs();
    RouteResolution resolution;
    for (const RouteParent& parent : route_.parents) {
      resolution.parents.push_back({parent.ref, {Accept(parent), resolved}});
    }
    if (route_.document && !accepted_.empty()) {
      policy::Document document = *route_.document;
      auto* policy = const_cast<policy::Route*>(policy::RouteIn(document));
      SetParents(policy);
      SetRefs(policy);
      resolution.policy = std::make_shared<const policy::Document>(std::move(document));
    }
    return resolution;
  }

 private:
  // A route for a Service of another namespace, and for no other, may lead there: that is where the
  // requests go without it, too. With a second parent it would take that one's callers along, who
  // may be of any namespace: that needs the word of the namespace they are sent to.
  bool IsOnlyParent(const ServiceName& service) const {
    return std::all_of(route_.parents.begin(), route_.parents.end(),
                       [&](const RouteParent& parent) { return parent.service == service; });
  }

  // A Service of another namespace that may not be named is not told from one that does not exist.
  std::optional<RefFault> FaultOf(const RouteRef& ref) const {
    if (!ref.other_kind.empty()) {
      return RefFault{"InvalidKind",
                      absl::StrCat(ref.other_kind, " is not supported: use Service")};
    }
    if (!IsOnlyParent(ref.service) &&
        !grants_.Allow(policy::ToText(route_.key.kind), route_.key.ns, ref.service)) {
      return RefFault{"RefNotPermitted",
                      absl::StrCat("namespace ", ref.service.ns,
                                   " has no ReferenceGrant that allows it to be used from here")};
    }
    const ServiceFacts* service = find_service_(ref.service);
    if (service == nullptr) {
      return RefFault{"BackendNotFound", NameOf(ref.service) + " not found"};
    }
    if (HasPort(*service, ref.port)) return std::nullopt;
    return RefFault{"BackendNotFound",
                    absl::StrCat(NameOf(ref.service), " has no TCP port ", ref.port)};
  }

  Condition ResolveRefs() {
    Condition condition{"ResolvedRefs", true, "ResolvedRefs", "All references are resolved"};
    size_t faulty = 0;
    for (const RouteRef& ref : route_.refs) {
      const auto fault = FaultOf(ref);
      faults_.push_back(fault ? fault->message : "");
      if (!fault || ++faulty > kMostFaults) continue;
      if (faulty == 1) condition = {"ResolvedRefs", false, fault->reason, ""};
      absl::StrAppend(&condition.message, faulty == 1 ? "" : "; ", ref.field, ": ", fault->message);
    }
    return condition;
  }

  Condition Accept(const RouteParent& parent) {
    Condition condition{"Accepted", true, "Accepted", "The route is in force"};
    if (!route_.document) {
      return {"Accepted", false, "UnsupportedValue", route_.problem};
    }
    const ServiceFacts* service = find_service_(parent.service);
    const auto refuse = [&](std::string message) {
      return Condition{"Accepted", false, "NoMatchingParent", std::move(message)};
    };
    if (service == nullptr) return refuse(NameOf(parent.service) + " not found");
    if (full_.contains(parent.service)) {
      return {"Accepted", false, "TooManyRoutes",
              absl::StrCat(NameOf(parent.service), " has ", kMostRoutesOfService,
                           " older routes of namespace ", route_.key.ns,
                           ", and no more can be in force")};
    }
    policy::ParentRef accepted{parent.service, parent.port};
    if (!parent.section.empty()) {
      const auto named = service->ports.find(parent.section);
      if (named == service->ports.end()) {
        return refuse(
            absl::StrCat(NameOf(parent.service), " has no TCP port named ", parent.section));
      }
      if (parent.port && *parent.port != named->second.number) {
        return refuse(absl::StrCat("port ", *parent.port, " of ", NameOf(parent.service),
                                   " is not named ", parent.section));
      }
      accepted.port = named->second.number;
    } else if (parent.port && !HasPort(*service, *parent.port)) {
      return refuse(absl::StrCat(NameOf(parent.service), " has no TCP port ", *parent.port));
    }
    accepted_.push_back(std::move(accepted));
    return condition;
  }

  void SetParents(policy::Route* policy) {
    std::sort(accepted_.begin(), accepted_.end());
    accepted_.erase(std::unique(accepted_.begin(), accepted_.end()), accepted_.end());
    policy->parents = std::move(accepted_);
  }

  void SetRefs(policy::Route* policy) const {
    for (size_t i = 0; i < route_.refs.size(); ++i) {
      const RouteRef& ref = route_.refs[i];
      policy::RouteRule& rule = policy->rules.at(ref.rule);
      if (ref.mirror && ref.backend) {
        continue;  // the tables have none
      } else if (ref.mirror) {
        policy::MirrorFilter& mirror = rule.mirrors.at(*ref.mirror);
        mirror.service = ref.service;
        mirror.invalid = faults_[i];
      } else {
        policy::BackendRef& backend = rule.backends.at(*ref.backend);
        backend.service = ref.service;
        backend.invalid = faults_[i];
      }
    }
  }

  const RouteObject& route_;
  const FindService& find_service_;
  const ReferenceGrants& grants_;
  const std::set<ServiceName>& full_;
  std::vector<std::string> faults_;  // of each of the references; empty: none
  std::vector<policy::ParentRef> accepted_;
};

}  // namespace

RouteResolution Resolve(const RouteObject& route, const FindService& find_service,
                        const ReferenceGrants& grants, const std::set<ServiceName>& full) {
  return Resolver(route, find_service, grants, full).Run();
}

}  // namespace tulle::kubernetes
