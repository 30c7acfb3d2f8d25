#include "control-plane/cli/suggestion.h"

#include <string_view>

#include "control-plane/policy/names.h"

namespace tulle::cli {

std::string DidYouMean(const std::string& text, const std::vector<std::string>& known,
                       const std::string& rest) {
  const std::vector<std::string_view> names(known.begin(), known.end());
  const auto nearest = policy::NearestName(text, names);
  return nearest ? "did you mean " + *nearest + "? " + rest : rest;
}

}  // namespace tulle::cli
