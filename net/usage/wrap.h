// Wraps text at blanks. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tulle::usage {

// Lines of at most `width` characters; a word that is longer stays whole. 0: one line.
std::vector<std::string> Wrapped(std::string_view text, size_t width);
// Code points, which is what a terminal's columns are for the names shown here.
size_t WidthOf(std::string_view text);

}  // namespace tulle::usage
