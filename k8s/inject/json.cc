#include "k8s/inject/json.h"

#include <algorithm>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace tulle::inject {
namespace {

constexpr size_t kDeepest = 64;
constexpr size_t kMostMembers = 1000;
constexpr size_t kMostValues = 50'000;
// Of a name with those before it in its object.
constexpr size_t kMostComparisons = 2'000'000;
constexpr size_t kLongestQuote = 80;

// Reads without keeping anything, and stops where a limit is passed.
class Limits final : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return Value(); }
  bool boolean(bool) override { return Value(); }
  bool number_integer(number_integer_t) override { return Value(); }
  bool number_unsigned(number_unsigned_t) override { return Value(); }
  bool number_float(number_float_t, const string_t&) override { return Value(); }
  bool string(string_t&) override { return Value(); }
  bool binary(binary_t&) override { return Value(); }
  bool start_object(size_t) override { return Begin(); }
  bool key(string_t&) override {
    comparisons_ += members_.back();
    return ++members_.back() <= kMostMembers && comparisons_ <= kMostComparisons;
  }
  bool end_object() override { return End(); }
  bool start_array(size_t) override { return Begin(); }
  bool end_array() override { return End(); }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  bool Value() { return ++values_ <= kMostValues; }
  bool Begin() {
    members_.push_back(0);
    return members_.size() <= kDeepest && Value();
  }
  bool End() {
    members_.pop_back();
    return true;
  }

  std::vector<size_t> members_;  // of the objects that are open; arrays have none
  size_t values_ = 0;
  size_t comparisons_ = 0;
};

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
  Limits limits;
  if (!Json::sax_parse(text, &limits)) return std::nullopt;
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return std::nullopt;
  return json;
}

std::string Quoted(std::string_view text) {
  const std::string escaped = absl::CHexEscape(
      absl::string_view(text.data(), std::min<size_t>(text.size(), kLongestQuote)));
  return absl::StrCat("\"", escaped, text.size() > kLongestQuote ? "..." : "", "\"");
}

}  // namespace tulle::inject
