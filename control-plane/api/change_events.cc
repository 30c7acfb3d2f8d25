#include "control-plane/api/change_events.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace tulle::api {
namespace {

using discovery::PolicyChange;

// Empty: nothing was changed.
std::string VerbOf(PolicyChange::Action action) {
  switch (action) {
    case PolicyChange::Action::kCreated:
      return "Created";
    case PolicyChange::Action::kChanged:
      return "Changed";
    case PolicyChange::Action::kDeleted:
      return "Deleted";
    case PolicyChange::Action::kUnchanged:
      break;
  }
  return "";
}

}  // namespace

insight::Event EventBy(const Call& call, std::string reason, insight::EventSubject subject,
                       const std::string& what) {
  return {insight::Event::Type::kNormal, std::move(reason), std::move(subject),
          absl::StrCat(call.caller.name, " ", what), call.caller.name};
}

std::vector<insight::Event> PolicyEvents(const Call& call, const discovery::ApplyOutcome& outcome) {
  std::vector<insight::Event> events;
  for (const PolicyChange& change : outcome.changes) {
    const std::string verb = VerbOf(change.action);
    if (verb.empty()) continue;
    std::string what = verb;
    what[0] = static_cast<char>(what[0] - 'A' + 'a');
    events.push_back(
        EventBy(call, "Policy" + verb,
                {std::string(policy::ToText(change.key.kind)), change.key.ns, change.key.name},
                absl::StrCat(what, " it; revision ", outcome.revision)));
  }
  return events;
}

}  // namespace tulle::api
