#include "control-plane/kubernetes/route_status.h"

#include <utility>

namespace tulle::kubernetes {
namespace {

using k8s::At;
using k8s::TextAt;

constexpr size_t kMostParents = 32;  // of the schema

bool IsOurs(const Json& status) { return TextAt(status, {"controllerName"}) == kControllerName; }

// Null: there is none.
const Json* FindIn(const Json& list, const char* field, const Json& value) {
  if (!list.is_array()) return nullptr;
  for (const Json& each : list) {
    if (At(each, {field}) == value) return &each;
  }
  return nullptr;
}

Json EntryFor(const ParentConditions& parent, const Json& former, int64_t generation,
              const std::string& now) {
  Json conditions = Json::array();
  for (const Condition& condition : parent.conditions) {
    conditions.push_back(ConditionFor(condition, At(former, {"conditions"}), generation, now));
  }
  return {{"parentRef", parent.ref},
          {"controllerName", kControllerName},
          {"conditions", std::move(conditions)}};
}

}  // namespace

std::optional<Json> StatusFor(const RouteObject& route,
                              const std::vector<ParentConditions>& parents,
                              const std::string& now) {
  Json wanted = Json::array();
  Json ours = Json::array();
  if (route.statuses.is_array()) {
    for (const Json& each : route.statuses) (IsOurs(each) ? ours : wanted).push_back(each);
  }
  Json entries = Json::array();
  for (const ParentConditions& parent : parents) {
    if (wanted.size() + entries.size() == kMostParents) break;
    const Json* former = FindIn(ours, "parentRef", parent.ref);
    entries.push_back(
        EntryFor(parent, former == nullptr ? Json() : *former, route.generation, now));
  }
  if (entries == ours) return std::nullopt;
  for (Json& entry : entries) {
    wanted.push_back(std::move(entry));
  }
  return wanted;
}

}  // namespace tulle::kubernetes
