#pragma once

#include <string>
#include <string_view>

namespace tulle::admin {

// `text` in gzip's format, compressed quickly rather than well; empty if there is no memory for it.
std::string Gzip(std::string_view text);

}  // namespace tulle::admin
