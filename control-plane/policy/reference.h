// The reference tables in docs/policies.md, made from the tables of fields. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "control-plane/policy/model.h"

namespace tulle::policy {

// A table in Markdown: one row for each field below `spec`.
std::string ReferenceOf(Kind kind);

// `page` with the text between "<!-- fields of KIND -->" and "<!-- end of fields -->" replaced by
// the table of each kind. `missing`: the kinds for which the page has no such lines.
std::string WithReferences(std::string_view page, std::vector<std::string_view>* missing);

}  // namespace tulle::policy
