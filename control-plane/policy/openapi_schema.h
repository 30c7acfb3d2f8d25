// Policies as OpenAPI schemas, made from the tables of fields. Pure; any thread.
#pragma once

#include <nlohmann/json.hpp>

#include "control-plane/policy/model.h"

namespace tulle::policy {

// A whole document of this kind. Its property `spec` is a structural schema, as Kubernetes requires
// of a CustomResourceDefinition: every value has a type, and nothing is referred to. Defaults stand
// in the descriptions and not as `default`, since a field that is filled in would no longer count
// as unset.
nlohmann::json OpenApiSchemaOf(Kind kind);

}  // namespace tulle::policy
