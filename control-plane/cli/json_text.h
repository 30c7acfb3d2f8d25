// Prints JSON of the API as the user asked. Pure.
#pragma once

#include <ostream>
#include <string>

#include "control-plane/cli/invocation.h"
#include "control-plane/diagnosis/json_reading.h"

namespace tulle::cli {

using diagnosis::Json;
using diagnosis::LinesAt;
using diagnosis::NumberAt;
using diagnosis::PartAt;
using diagnosis::TextAt;
using diagnosis::TrueAt;

std::string ToYaml(const Json& json);
// On one line, for programs that read line by line.
void PrintJsonLine(const Json& json, std::ostream& out);
// For Format::kJson and kYaml. A list's items become YAML documents, so that what get wrote can be
// applied again.
void PrintJson(const Json& json, Format format, std::ostream& out);

}  // namespace tulle::cli
