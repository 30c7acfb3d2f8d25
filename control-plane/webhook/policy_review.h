// The review of a policy's creation or change: an object of tulle.dev that the parser finds invalid
// is refused, with the words that its status would have. So an edit cannot put a policy out of
// force that was in force. What is not such a change is allowed unchanged. Pure.
#pragma once

#include <string_view>

#include "k8s/inject/admission.h"

namespace tulle::webhook {

// Answers the body of one POST. `mesh_namespace`: whose policies may be for the whole mesh.
inject::ReviewAnswer ReviewPolicy(std::string_view body, std::string_view mesh_namespace);

}  // namespace tulle::webhook
