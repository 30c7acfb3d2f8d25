#include "control-plane/diagnosis/json_reading.h"

#include "net/usage/unsafe_text.h"

namespace tulle::diagnosis {
namespace {

const Json* Find(const Json& json, const std::string& pointer) {
  const Json::json_pointer at(pointer);
  return json.contains(at) ? &json.at(at) : nullptr;
}

}  // namespace

std::string LinesAt(const Json& json, const std::string& pointer) {
  const Json* found = Find(json, pointer);
  if (found == nullptr || found->is_null() || found->is_structured()) return "";
  return found->is_string()
             ? usage::PrintableLines(found->get<std::string>())
             : usage::WithEscapes(found->dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::string TextAt(const Json& json, const std::string& pointer) {
  return usage::Printable(LinesAt(json, pointer));
}

int64_t NumberAt(const Json& json, const std::string& pointer) {
  const Json* found = Find(json, pointer);
  return found != nullptr && found->is_number() ? found->get<int64_t>() : 0;
}

bool TrueAt(const Json& json, const std::string& pointer) {
  const Json* found = Find(json, pointer);
  return found != nullptr && found->is_boolean() && found->get<bool>();
}

const Json& PartAt(const Json& json, const std::string& pointer) {
  static const Json kNothing = Json::array();
  const Json* found = Find(json, pointer);
  return found != nullptr && found->is_structured() ? *found : kNothing;
}

}  // namespace tulle::diagnosis
