// Reading JSON whose every part may have been written by a stranger: nothing here throws.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace tulle::inject {

// Keeps the order of keys, so that what is written reads as it was meant.
using Json = nlohmann::ordered_json;

// A member of an object; null: `json` is not an object, or does not have it. A member that is null
// counts as absent, as for the API server.
const Json* Member(const Json& json, std::string_view name);
// The same through several levels.
const Json* Member(const Json& json, std::initializer_list<std::string_view> path);
// A text member; empty: absent, or something else.
std::string TextOf(const Json& json, std::string_view name);
// An integer member within those limits.
std::optional<int64_t> NumberOf(const Json& json, std::string_view name, int64_t least,
                                int64_t most);
// Whether a member is true.
bool IsTrue(const Json& json, std::string_view name);

// Null: not JSON, or deeper (64), wider (1,000 members in one object, and at most four objects of
// that many) or with more values (50,000) than a Pod: keys are found by comparing them in turn.
std::optional<Json> ParseJson(std::string_view text);

// The text in quotes and cut to a length that fits into an error message.
std::string Quoted(std::string_view text);

}  // namespace tulle::inject
