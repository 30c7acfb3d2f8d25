// Characters of text that strangers have chosen and that must not reach a terminal: it could obey
// them (C0, DEL and C1 control characters), or show what follows in another order (Unicode's
// bidirectional controls). Pure; any thread. Source: ECMA-48, 5.3; Unicode UAX #9, 2.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tulle::cli {

// Bytes of the unsafe character that begins at `at` of UTF-8; 0: it is safe.
size_t UnsafeBytes(std::string_view text, size_t at);
// JSON with these characters as \u escapes, which YAML's quoted texts have too. `json`: as written
// by a JSON library, so that C0 is escaped already.
std::string WithEscapes(std::string_view json);

}  // namespace tulle::cli
