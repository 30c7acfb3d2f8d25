// What the endpoints of policies and of their history say of a change. Pure. For this package only.
#pragma once

#include <string>

#include "control-plane/api/answers.h"
#include "control-plane/discovery/policy_book.h"

namespace tulle::api {

Json OutcomeJson(const discovery::ApplyOutcome& outcome, bool is_dry_run);
// "ann changed HTTPRoute default/post, deleted ...; revision 7"; empty: nothing was changed.
std::string EventOf(const discovery::ApplyOutcome& outcome, const std::string& author);

}  // namespace tulle::api
