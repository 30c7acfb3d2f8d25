// The review of a new pod (admission.h). Pure; the transport is not here.
#pragma once

#include <string_view>

#include "k8s/inject/admission.h"
#include "k8s/inject/inject.h"

namespace tulle::inject {

// Answers the body of one POST. A pod that cannot be injected as it asks is refused with the
// reason; what is not a new Pod is allowed unchanged. `namespace_labels`: of the namespace that the
// request names; a webhook with a namespaceSelector for the label passes it as set.
ReviewAnswer Review(std::string_view body, const Json& namespace_labels, const Settings& settings);

}  // namespace tulle::inject
