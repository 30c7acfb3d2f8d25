#pragma once

#include <string>
#include <string_view>

namespace tulle::telemetry {

// Appends `text` so that it stays inside quotes and on its line: quotes, backslashes, control
// characters and bytes beyond ASCII become \xHH (\" and \\ for the first two).
void AppendEscapedText(std::string& out, std::string_view text);
// Appends `text` as the inside of a JSON string. Valid UTF-8 is kept except control characters;
// other bytes become \u00HH.
void AppendEscapedJson(std::string& out, std::string_view text);

}  // namespace tulle::telemetry
