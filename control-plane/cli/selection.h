// Policies named on the command line: KIND, KIND NAME..., KIND,KIND or KIND/NAME..., all, or a
// category as in kubectl (tulle: Tulle's own kinds). Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace tulle::cli {

struct Selected {
  std::string kind;  // "HTTPRoute"; empty: every kind
  std::string name;  // empty: all of the kind
  // One kind of a category, which says nothing about those that are not served or may not be
  // listed.
  bool is_of_category = false;

  bool operator==(const Selected&) const = default;
};

// A UserError for unknown kinds, and for names without a kind.
absl::StatusOr<std::vector<Selected>> ReadSelection(const std::string& kind,
                                                    const std::vector<std::string>& names);

}  // namespace tulle::cli
