#include "k8s/api/json.h"

#include <limits>

namespace tulle::k8s {

const Json& At(const Json& json, std::initializer_list<const char*> path) {
  static const Json none;
  const Json* at = &json;
  for (const char* key : path) {
    if (!at->is_object()) return none;
    const auto found = at->find(key);
    if (found == at->end()) return none;
    at = &*found;
  }
  return *at;
}

std::string TextAt(const Json& json, std::initializer_list<const char*> path) {
  const Json& at = At(json, path);
  return at.is_string() ? at.get<std::string>() : std::string();
}

bool IsTrueAt(const Json& json, std::initializer_list<const char*> path) {
  const Json& at = At(json, path);
  return at.is_boolean() && at.get<bool>();
}

uint32_t NumberAt(const Json& json, std::initializer_list<const char*> path) {
  const Json& at = At(json, path);
  if (!at.is_number_integer()) return 0;
  const auto number = at.get<int64_t>();
  return number < 0 || number > std::numeric_limits<uint32_t>::max()
             ? 0
             : static_cast<uint32_t>(number);
}

}  // namespace tulle::k8s
