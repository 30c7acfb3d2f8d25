// The reference tables in docs/policies.md, made from the tables of fields. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "control-plane/policy/model.h"

namespace tulle::policy {

// A table in Markdown: one row for each field below `spec`.
std::string ReferenceOf(Kind kind);

// `page` with each table in place of what stands between "<!-- fields of KIND -->" and
// "<!-- end of fields -->".
std::string WithReferences(std::string_view page);

}  // namespace tulle::policy
