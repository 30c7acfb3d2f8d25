#include "control-plane/kubernetes/object_facts.h"

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace tulle::kubernetes {
namespace {

using k8s::At;
using k8s::TextAt;

constexpr size_t kMostProblems = 3;
constexpr size_t kLongestProblem = 4096;

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

std::string TextOf(const policy::Problems& problems) {
  std::string text;
  for (size_t i = 0; i < problems.size() && i < kMostProblems; ++i) {
    const policy::Problem& each = problems[i];
    absl::StrAppend(&text, i == 0 ? "" : "; ", each.field, each.field.empty() ? "" : ": ",
                    each.message, each.hint.empty() ? "" : " (", each.hint,
                    each.hint.empty() ? "" : ")");
  }
  if (problems.size() > kMostProblems) {
    absl::StrAppend(&text, "; and ", problems.size() - kMostProblems, " more");
  }
  // As the API server will give it back: values that are quoted in it may have been cut.
  const Json json(text.substr(0, kLongestProblem));
  return Json::parse(json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace tulle::kubernetes
