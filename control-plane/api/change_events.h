// What callers of the API have changed, as events. Pure. For this package only.
#pragma once

#include <string>
#include <vector>

#include "control-plane/api/route.h"
#include "control-plane/discovery/policy_book.h"
#include "control-plane/insight/event_book.h"

namespace tulle::api {

// `what`, after the caller's name: "created it".
insight::Event EventBy(const Call& call, std::string reason, insight::EventSubject subject,
                       const std::string& what);
// One of each policy that was changed.
std::vector<insight::Event> PolicyEvents(const Call& call, const discovery::ApplyOutcome& outcome);

}  // namespace tulle::api
