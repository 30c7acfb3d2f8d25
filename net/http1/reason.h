#pragma once

#include <string_view>

namespace tulle::http1 {

// The reason phrase of a status code (IANA's registry); empty for one that is not in it.
std::string_view ReasonOf(int status);

}  // namespace tulle::http1
