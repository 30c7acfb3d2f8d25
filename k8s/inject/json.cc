#include "k8s/inject/json.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace tulle::inject {
namespace {

constexpr int kDeepest = 64;
constexpr size_t kLongestQuote = 80;

}  // namespace

const Json* Member(const Json& json, std::string_view name) {
  if (!json.is_object()) return nullptr;
  const auto found = json.find(std::string(name));
  return found == json.end() || found->is_null() ? nullptr : &*found;
}

const Json* Member(const Json& json, std::initializer_list<std::string_view> path) {
  const Json* at = &json;
  for (const std::string_view name : path) {
    if (at != nullptr) at = Member(*at, name);
  }
  return at;
}

std::string TextOf(const Json& json, std::string_view name) {
  const Json* member = Member(json, name);
  return member != nullptr && member->is_string() ? member->get<std::string>() : std::string();
}

std::optional<int64_t> NumberOf(const Json& json, std::string_view name, int64_t least,
                                int64_t most) {
  const Json* member = Member(json, name);
  if (member == nullptr || !member->is_number_integer()) return std::nullopt;
  if (member->is_number_unsigned() && member->get<uint64_t>() > static_cast<uint64_t>(most))
    return std::nullopt;
  const auto number = member->get<int64_t>();
  return number < least || number > most ? std::nullopt : std::optional(number);
}

bool IsTrue(const Json& json, std::string_view name) {
  const Json* member = Member(json, name);
  return member != nullptr && member->is_boolean() && member->get<bool>();
}

std::optional<Json> ParseJson(std::string_view text) {
  bool too_deep = false;
  const auto watch = [&too_deep](int depth, Json::parse_event_t, Json&) {
    too_deep |= depth > kDeepest;
    return !too_deep;
  };
  Json json = Json::parse(text, watch, false);
  if (too_deep || json.is_discarded()) return std::nullopt;
  return json;
}

std::string Quoted(std::string_view text) {
  const std::string escaped = absl::CHexEscape(
      absl::string_view(text.data(), std::min<size_t>(text.size(), kLongestQuote)));
  return absl::StrCat("\"", escaped, text.size() > kLongestQuote ? "..." : "", "\"");
}

}  // namespace tulle::inject
