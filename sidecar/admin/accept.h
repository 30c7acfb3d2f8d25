// What a client takes, by its headers Accept and Accept-Encoding.
#pragma once

#include <string_view>

namespace tulle::admin {

// The quality, 0 to 1, that such a header gives to `item`, at most that of all its mentions; 0 if
// it does not mention it. Wildcards mention nothing. What is malformed counts as 0.
double QualityOf(std::string_view header, std::string_view item);

}  // namespace tulle::admin
