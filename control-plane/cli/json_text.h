// JSON as the API sends it: looked into without exceptions, written as a person asked.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>

#include "control-plane/cli/invocation.h"

namespace tulle::cli {

using Json = nlohmann::json;

// What lies at `pointer` ("/metadata/name"): as text, empty if there is none or it is no scalar; a
// whole number, else 0; true only for true; an array or object, else an empty array.
std::string TextAt(const Json& json, const std::string& pointer);
int64_t NumberAt(const Json& json, const std::string& pointer);
bool TrueAt(const Json& json, const std::string& pointer);
const Json& PartAt(const Json& json, const std::string& pointer);

std::string ToYaml(const Json& json);
// For Format::kJson and kYaml. A list's items become YAML documents, so that what get wrote can be
// applied again.
void PrintJson(const Json& json, Format format, std::ostream& out);

}  // namespace tulle::cli
