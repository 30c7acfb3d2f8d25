// Characters of text that strangers have chosen and that must not reach a terminal: it could obey
// them (C0, DEL and C1 control characters), or show what follows in another order (Unicode's
// bidirectional controls). Pure; any thread. Source: ECMA-48, 5.3; Unicode UAX #9, 2.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tulle::usage {

// Unsafe characters become blanks: a peer's text must not change lines or the terminal. UTF-8.
std::string Printable(std::string text);
// The same for text of several lines: line feeds stay.
std::string PrintableLines(std::string text);

// Bytes of the unsafe character that begins at `at` of UTF-8; 0: it is safe.
size_t UnsafeBytes(std::string_view text, size_t at);
// JSON with these characters as \u escapes, which YAML's quoted texts have too. `json`: as written
// by a JSON library, so that C0 is escaped already.
std::string WithEscapes(std::string_view json);

}  // namespace tulle::usage
