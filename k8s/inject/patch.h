// A JSONPatch (RFC 6902) of a document, built step by step. Owner: the caller.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "k8s/inject/json.h"

namespace tulle::inject {

class Patch {
 public:
  // Path of a member or an element; "/" and "~" in names are escaped (RFC 6901).
  static std::string Path(std::initializer_list<std::string_view> names);

  // Inserts an element, or sets a member.
  void Add(std::string path, Json value);
  void Replace(std::string path, Json value);
  // Sets a member of the object at `path`; `object` is that object, or null: it is made.
  void SetMember(const std::string& path, const Json* object, std::string_view name, Json value);
  // Appends to the array at `path`; `array` likewise. Call once for each array.
  void Append(const std::string& path, const Json* array, const std::vector<Json>& values);
  // Inserts at the beginning of the array, in order. Likewise.
  void Prepend(const std::string& path, const Json* array, const std::vector<Json>& values);

  const Json& operations() const { return operations_; }
  bool empty() const { return operations_.empty(); }

 private:
  Json operations_ = Json::array();
};

}  // namespace tulle::inject
