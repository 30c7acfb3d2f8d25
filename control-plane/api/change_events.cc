#include "control-plane/api/change_events.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "control-plane/api/policy_change.h"

namespace tulle::api {
using discovery::PolicyChange;

insight::Event EventBy(const Call& call, std::string reason, insight::EventSubject subject,
                       const std::string& what) {
  return {insight::Event::Type::kNormal, std::move(reason), std::move(subject),
          absl::StrCat(call.caller.name, " ", what), call.caller.name};
}

std::vector<insight::Event> PolicyEvents(const Call& call, const discovery::ApplyOutcome& outcome) {
  std::vector<insight::Event> events;
  for (const PolicyChange& change : outcome.changes) {
    if (change.action == PolicyChange::Action::kUnchanged) continue;
    const std::string verb = TextOf(change.action);
    std::string title = verb;
    title[0] = absl::ascii_toupper(static_cast<unsigned char>(title[0]));
    events.push_back(
        EventBy(call, "Policy" + title,
                {std::string(policy::ToText(change.key.kind)), change.key.ns, change.key.name},
                absl::StrCat(verb, " it; revision ", outcome.revision)));
  }
  return events;
}

}  // namespace tulle::api
