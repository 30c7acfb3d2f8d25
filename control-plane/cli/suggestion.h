// "did you mean ...?". Pure.
#pragma once

#include <string>
#include <vector>

namespace tulle::cli {

// "did you mean KNOWN? REST", or REST alone if no known word is similar.
std::string DidYouMean(const std::string& text, const std::vector<std::string>& known,
                       const std::string& rest);

}  // namespace tulle::cli
