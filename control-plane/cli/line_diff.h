// The difference of two texts in the unified format of diff -u. Pure.
#pragma once

#include <string>
#include <string_view>

namespace tulle::cli {

// Empty if there is no difference; else "--- name (in force)\n+++ name (AFTER)\n@@ ...", with three
// lines of context. `source`: where `after` comes from.
std::string UnifiedDiff(std::string_view name, std::string_view before, std::string_view after,
                        std::string_view source = "file");

}  // namespace tulle::cli
