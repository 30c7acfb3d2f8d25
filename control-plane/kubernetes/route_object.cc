#include "control-plane/kubernetes/route_object.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "control-plane/kubernetes/object_facts.h"
#include "control-plane/policy/kinds.h"
#include "control-plane/policy/parse.h"
#include "control-plane/policy/stored_policy.h"

namespace tulle::kubernetes {
namespace {

using k8s::At;
using k8s::NumberAt;
using k8s::TextAt;

constexpr char kNamedByNoService[] = "unknown";

std::string TextOr(const Json& json, const char* field, const char* absent) {
  const Json& value = At(json, {field});
  return value.is_string() ? value.get<std::string>() : absent;
}

bool IsCoreGroup(const std::string& group) { return group.empty() || group == "core"; }

std::vector<RouteParent> ReadParents(const std::string& ns, const Json& refs) {
  std::vector<RouteParent> parents;
  if (!refs.is_array()) return parents;
  for (const Json& ref : refs) {
    if (!IsCoreGroup(TextOr(ref, "group", kGatewayGroup))) continue;
    if (TextOr(ref, "kind", "Gateway") != "Service") continue;
    RouteParent parent{ref, {TextOr(ref, "namespace", ns.c_str()), TextAt(ref, {"name"})}, {}, {}};
    if (const uint32_t port = NumberAt(ref, {"port"}); port != 0) parent.port = port;
    parent.section = TextAt(ref, {"sectionName"});
    parents.push_back(std::move(parent));
  }
  return parents;
}

// Takes the references out of a route's JSON. What is left in their place names Services of the
// route's own namespace, so that the tables find no fault with it: whether a reference is good is
// not a question of syntax.
class RefReader {
 public:
  RefReader(std::string ns, std::vector<RouteRef>* refs) : ns_(std::move(ns)), refs_(refs) {}

  void ReadRules(Json* rules) {
    if (!rules->is_array()) return;
    for (size_t rule = 0; rule < rules->size(); ++rule) {
      ReadRule(absl::StrCat("spec.rules[", rule, "]"), rule, &(*rules)[rule]);
    }
  }

 private:
  void ReadRule(const std::string& field, size_t rule, Json* json) {
    if (!json->is_object()) return;
    RouteRef place;
    place.rule = rule;
    ReadMirrors(field, place, json);
    const auto backends = json->find("backendRefs");
    if (backends == json->end() || !backends->is_array()) return;
    for (size_t i = 0; i < backends->size(); ++i) {
      place.backend = i;
      place.field = absl::StrCat(field, ".backendRefs[", i, "]");
      Take(place, &(*backends)[i]);
      ReadMirrors(place.field, place, &(*backends)[i]);
    }
  }

  void ReadMirrors(const std::string& field, RouteRef place, Json* owner) {
    const auto filters = owner->find("filters");
    if (filters == owner->end() || !filters->is_array()) return;
    size_t mirrors = 0;
    for (size_t i = 0; i < filters->size(); ++i) {
      Json& filter = (*filters)[i];
      if (!At(filter, {"requestMirror", "backendRef"}).is_object()) continue;
      place.mirror = mirrors++;
      place.field = absl::StrCat(field, ".filters[", i, "].requestMirror.backendRef");
      Take(place, &filter["requestMirror"]["backendRef"]);
    }
  }

  void Take(RouteRef ref, Json* json) {
    if (!json->is_object()) return;
    const std::string group = TextOr(*json, "group", "");
    const std::string kind = TextOr(*json, "kind", "Service");
    ref.service = {TextOr(*json, "namespace", ns_.c_str()), TextAt(*json, {"name"})};
    ref.port = NumberAt(*json, {"port"});
    if (!IsCoreGroup(group) || kind != "Service") {
      ref.other_kind = absl::StrCat(group, group.empty() ? "" : "/", kind);
      (*json)["name"] = kNamedByNoService;
      (*json)["port"] = 1;
    }
    for (const char* field : {"group", "kind", "namespace"}) json->erase(field);
    refs_->push_back(std::move(ref));
  }

  const std::string ns_;
  std::vector<RouteRef>* refs_;
};

void ReadPolicy(Json spec, RouteObject* route) {
  spec.erase("hostnames");
  // They are set when it is known which of them exist.
  spec["parentRefs"] = {{{"kind", "Service"}, {"name", kNamedByNoService}}};
  const Json document{{"apiVersion", policy::kGatewayApiVersion},
                      {"kind", policy::ToText(route->key.kind)},
                      {"metadata", {{"name", route->key.name}, {"namespace", route->key.ns}}},
                      {"spec", std::move(spec)}};
  policy::ParsedFile parsed = policy::ParseObject(document, route->key.ns);
  if (parsed.ok()) {
    route->document = std::move(parsed.documents.front());
  } else {
    route->problem = policy::SummaryOf(parsed.problems);
  }
}

}  // namespace

RouteObject ReadRoute(policy::Kind kind, const ObjectKey& key, const Json& object) {
  RouteObject route;
  route.key = {kind, key.ns, key.name};
  const ObjectFacts facts = ObjectFacts::Of(object);
  route.uid = facts.uid;
  route.version = facts.version;
  route.generation = facts.generation;
  route.statuses = At(object, {"status", "parents"});
  route.parents = ReadParents(key.ns, At(object, {"spec", "parentRefs"}));
  // What is for others may say what we do not know.
  if (route.parents.empty()) return route;
  Json spec = At(object, {"spec"});
  if (spec.contains("rules")) RefReader(key.ns, &route.refs).ReadRules(&spec["rules"]);
  ReadPolicy(std::move(spec), &route);
  if (route.document) {
    route.document->created_at = facts.created_at;
  }
  return route;
}

}  // namespace tulle::kubernetes
