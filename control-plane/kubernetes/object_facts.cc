#include "control-plane/kubernetes/object_facts.h"

#include "absl/time/time.h"

namespace tulle::kubernetes {
namespace {

using k8s::At;
using k8s::TextAt;

int64_t ReadTime(const std::string& text) {
  absl::Time time;
  std::string error;
  return absl::ParseTime(absl::RFC3339_full, text, &time, &error) ? absl::ToUnixSeconds(time) : 0;
}

}  // namespace

ObjectFacts ObjectFacts::Of(const Json& object) {
  ObjectFacts facts;
  facts.uid = TextAt(object, {"metadata", "uid"});
  facts.version = TextAt(object, {"metadata", "resourceVersion"});
  const Json& generation = At(object, {"metadata", "generation"});
  if (generation.is_number_integer()) facts.generation = generation.get<int64_t>();
  facts.created_at = ReadTime(TextAt(object, {"metadata", "creationTimestamp"}));
  return facts;
}

Json ConditionFor(const Condition& condition, const Json& former, int64_t generation,
                  const std::string& now) {
  const char* status = condition.is_true ? "True" : "False";
  std::string since = now;
  if (former.is_array()) {
    for (const Json& each : former) {
      if (TextAt(each, {"type"}) == condition.type && TextAt(each, {"status"}) == status)
        since = TextAt(each, {"lastTransitionTime"});
    }
  }
  return {{"type", condition.type},           {"status", status},
          {"reason", condition.reason},       {"message", condition.message},
          {"observedGeneration", generation}, {"lastTransitionTime", since}};
}

}  // namespace tulle::kubernetes
