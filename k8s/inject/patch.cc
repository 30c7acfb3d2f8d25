#include "k8s/inject/patch.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace tulle::inject {

std::string Patch::Path(std::initializer_list<std::string_view> names) {
  std::string path;
  for (const std::string_view name : names) {
    path += '/';
    for (const char each : name) {
      if (each == '~') {
        path += "~0";
      } else if (each == '/') {
        path += "~1";
      } else {
        path += each;
      }
    }
  }
  return path;
}

void Patch::Add(std::string path, Json value) {
  operations_.push_back({{"op", "add"}, {"path", std::move(path)}, {"value", std::move(value)}});
}

void Patch::Replace(std::string path, Json value) {
  operations_.push_back(
      {{"op", "replace"}, {"path", std::move(path)}, {"value", std::move(value)}});
}

void Patch::SetMember(const std::string& path, const Json* object, std::string_view name,
                      Json value) {
  if (object == nullptr) return Add(path, {{std::string(name), std::move(value)}});
  Add(path + Path({name}), std::move(value));
}

void Patch::Append(const std::string& path, const Json* array, const std::vector<Json>& values) {
  if (array == nullptr) return Add(path, Json(values));
  for (const Json& value : values) Add(path + "/-", value);
}

void Patch::Prepend(const std::string& path, const Json* array, const std::vector<Json>& values) {
  if (array == nullptr) return Add(path, Json(values));
  for (size_t i = 0; i < values.size(); ++i) Add(absl::StrCat(path, "/", i), values[i]);
}

}  // namespace tulle::inject
