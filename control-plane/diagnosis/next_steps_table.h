// What each cause of a failed request means, and what to change. Pure; any thread. Source of the
// causes: net/base/failure.cc, sidecar/upstream/failures.cc, sidecar/proxy/failures.cc; a test
// compares them (tests/layering/next_steps_test.py).
#pragma once

#include <span>
#include <string_view>

namespace tulle::diagnosis {

struct NextStep {
  std::string_view cause;
  std::string_view meaning;  // after "..., because "
  // Of the caller's sidecar. {service}, {proxy} and {host} stand for those of the request, here and
  // in `meaning`.
  std::string_view outbound;
  std::string_view inbound;  // of the service's sidecar; empty: the same
  std::string_view policy;   // field that decides; empty: none
};

std::span<const NextStep> AllNextSteps();
// Null: the cause is not known to this version.
const NextStep* NextStepOf(std::string_view cause);

}  // namespace tulle::diagnosis
