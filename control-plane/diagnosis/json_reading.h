// Reads JSON without exceptions. Pure; any thread.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace tulle::diagnosis {

using Json = nlohmann::json;

// The value at `pointer` ("/metadata/name") as text, number, boolean, or array or object. Defaults
// to "", 0, false and an empty array if it is missing or has another type. Text is printable:
// control characters, which any workload may have sent, become blanks. LinesAt keeps line feeds
// (PEM, YAML).
std::string LinesAt(const Json& json, const std::string& pointer);
std::string TextAt(const Json& json, const std::string& pointer);
int64_t NumberAt(const Json& json, const std::string& pointer);
bool TrueAt(const Json& json, const std::string& pointer);
const Json& PartAt(const Json& json, const std::string& pointer);

}  // namespace tulle::diagnosis
