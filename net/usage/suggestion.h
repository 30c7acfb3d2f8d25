// The suggestion behind "did you mean". Pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tulle::usage {

// The known name closest to `text`, ignoring case, within two edits; two swapped letters are one
// edit.
std::optional<std::string> NearestName(std::string_view text,
                                       const std::vector<std::string_view>& known);

// "did you mean X? rest", or `rest` if no known name is close.
std::string DidYouMean(const std::string& text, const std::vector<std::string>& known,
                       const std::string& rest);

}  // namespace tulle::usage
