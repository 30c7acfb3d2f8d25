// Reads objects of the API, whose fields may be missing or of another type than expected: such a
// field is as good as absent. Pure; any thread.
#pragma once

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>

namespace tulle::k8s {

using Json = nlohmann::json;

// The value at metadata -> labels -> KEY and the like; null if there is none.
const Json& At(const Json& json, std::initializer_list<const char*> path);
// Empty: there is no such text.
std::string TextAt(const Json& json, std::initializer_list<const char*> path);
bool IsTrueAt(const Json& json, std::initializer_list<const char*> path);
// 0: there is no such number, or it is negative.
uint32_t NumberAt(const Json& json, std::initializer_list<const char*> path);

}  // namespace tulle::k8s
