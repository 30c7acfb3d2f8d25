// What differs between two texts, line by line, in the unified form of diff -u. Pure.
#pragma once

#include <string>
#include <string_view>

namespace tulle::cli {

// Without differences empty; else "--- name (in force)\n+++ name (AFTER)\n@@ ...": three lines
// around each difference. `source`: where `after` comes from.
std::string UnifiedDiff(std::string_view name, std::string_view before, std::string_view after,
                        std::string_view source = "file");

}  // namespace tulle::cli
