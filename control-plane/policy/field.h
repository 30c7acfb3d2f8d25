// What is known of each field of a policy apart from its C++ type: name, type, bounds, default and
// description. Everything that is not reading or writing a policy works on these: OpenAPI, the
// reference in docs/policies.md, `tullectl explain`, completion.
// Constants, built once; any thread. The tables themselves: *_fields.cc.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tulle::policy {

class ObjectFields;

enum class FieldKind {
  kText,
  kInteger,
  kPercent,  // may have a fraction
  kBoolean,
  kDuration,
  kTextMap,
  kObject,
  kUnsupported  // of the Gateway API, and refused with a hint
};

struct FieldType {
  FieldKind kind = FieldKind::kText;
  bool is_list = false;
  size_t max_items = 0;                                   // of a list
  uint32_t min = 0;                                       // of a number
  uint32_t max = 0;                                       // of a number
  std::chrono::milliseconds min_duration{0};              // of a duration
  std::vector<std::string_view> choices = {};             // of a text: all values that it takes
  std::string_view format = "";                           // of a text: "host name"
  std::function<const ObjectFields&()> object = nullptr;  // of an object: its fields
};

// Where a field has an effect.
enum class Effect {
  kAlways,
  kRequests  // on ports that carry requests: not where the protocol is tcp
};

// In the column of defaults: the field must be set.
inline constexpr std::string_view kRequired = "required";
// In the column of defaults: nothing is set, and the description says what that means.
inline constexpr std::string_view kNoDefault = "";

struct Field {
  std::string_view name;
  FieldType type;
  std::string_view default_text;  // as a person would write it, or kRequired or kNoDefault
  std::string_view description;   // plain sentences
  Effect effect = Effect::kAlways;

  bool is_required() const { return default_text == kRequired; }
};

// What holds between the fields of an object, as CEL of Kubernetes (`self` is the object), so that
// an API server can check it. It accepts everything that the parser accepts; the parser also checks
// what CEL cannot express.
struct FieldRule {
  std::string_view expression;
  std::string_view message;  // plain: what is required
};

// The fields of one kind of object, in the order in which they are documented.
class ObjectFields {
 public:
  // Those that a user may set.
  std::vector<const Field*> Supported() const;
  const std::vector<FieldRule>& rules() const { return rules_; }
  // Null: there is none of that name.
  const Field* Find(std::string_view name) const;

 protected:
  ObjectFields() = default;
  ~ObjectFields() = default;

  std::vector<Field> fields_;
  std::vector<FieldRule> rules_;
};

// "number, 0 to 10", "list of host names; at most 16 elements", "`ALLOW` or `DENY`"
std::string TypeText(const FieldType& type);
// The description, with where the field has no effect.
std::string DescriptionOf(const Field& field);

}  // namespace tulle::policy
