// Reads JSON of the API without exceptions, and prints it as the user asked.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>

#include "control-plane/cli/invocation.h"

namespace tulle::cli {

using Json = nlohmann::json;

// The value at `pointer` ("/metadata/name") as text, number, boolean, or array or object. Defaults
// to
// "", 0, false and an empty array if it is missing or has another type. Text is printable: control
// characters, which any workload may have sent, become blanks. LinesAt keeps line feeds (PEM,
// YAML).
std::string LinesAt(const Json& json, const std::string& pointer);
std::string TextAt(const Json& json, const std::string& pointer);
int64_t NumberAt(const Json& json, const std::string& pointer);
bool TrueAt(const Json& json, const std::string& pointer);
const Json& PartAt(const Json& json, const std::string& pointer);

std::string ToYaml(const Json& json);
// On one line, for programs that read line by line.
void PrintJsonLine(const Json& json, std::ostream& out);
// For Format::kJson and kYaml. A list's items become YAML documents, so that what get wrote can be
// applied again.
void PrintJson(const Json& json, Format format, std::ostream& out);

}  // namespace tulle::cli
