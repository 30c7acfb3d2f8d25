// Reads one YAML mapping by a fixed schema and says of everything else where it stands and what
// would be right. Owner: the reading function, on the stack. Thread: one. Order: construct, read
// the known fields, Finish(), which reports the fields nobody asked for. Errors go to the
// Diagnosis; readers go on with defaults, so that one pass finds all of them. yaml-cpp's exceptions
// are caught by ParseDocuments.
#pragma once

#include <yaml-cpp/yaml.h>

#include <chrono>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control-plane/policy/problem.h"

namespace tulle::policy {

class Diagnosis {
 public:
  explicit Diagnosis(std::string file) : file_(std::move(file)) {}

  void Add(int line, std::string field, std::string message, std::string hint);
  const Problems& problems() const { return problems_; }

 private:
  std::string file_;
  Problems problems_;
};

class ObjectReader {
 public:
  using ElementFn = std::function<void(const YAML::Node&, const std::string& path)>;
  using ObjectFn = std::function<void(ObjectReader&)>;

  ObjectReader(const YAML::Node& node, std::string path, Diagnosis* diagnosis);
  ObjectReader(const ObjectReader&) = delete;
  ObjectReader& operator=(const ObjectReader&) = delete;

  bool Has(std::string_view key);
  std::optional<std::string> Text(std::string_view key);
  std::string RequiredText(std::string_view key, std::string_view hint);
  std::optional<uint32_t> Integer(std::string_view key, uint32_t min, uint32_t max);
  std::optional<std::chrono::milliseconds> Duration(std::string_view key);
  std::vector<std::string> Texts(std::string_view key, size_t most);
  std::vector<uint32_t> Integers(std::string_view key, uint32_t min, uint32_t max, size_t most);
  std::map<std::string, std::string> TextMap(std::string_view key);
  void List(std::string_view key, size_t most, const ElementFn& each);
  // Reads a nested mapping and finishes it. False when the field is absent.
  bool Object(std::string_view key, const ObjectFn& read);
  // The key may stand there without effect.
  void Ignore(std::string_view key);

  template <typename Value>
  std::optional<Value> Choice(std::string_view key,
                              std::initializer_list<std::pair<std::string_view, Value>> choices) {
    const std::optional<std::string> text = Text(key);
    if (!text) return std::nullopt;
    std::vector<std::string_view> names;
    for (const auto& [name, value] : choices) {
      if (*text == name) return value;
      names.push_back(name);
    }
    RefuseChoice(key, *text, names);
    return std::nullopt;
  }

  // Reports something about `key`, at its line (or the mapping's, when the key is absent).
  void Complain(std::string_view key, std::string message, std::string hint);
  void Finish();

  std::string PathOf(std::string_view key) const;
  int line() const { return line_; }
  Diagnosis* diagnosis() const { return diagnosis_; }

 private:
  struct Entry {
    std::string key;
    YAML::Node value;
    int line = 0;
  };

  const Entry* Find(std::string_view key);
  std::optional<uint32_t> ParseInteger(const YAML::Node& node, const std::string& path,
                                       uint32_t min, uint32_t max);
  void RefuseChoice(std::string_view key, const std::string& text,
                    const std::vector<std::string_view>& names);

  std::string path_;
  Diagnosis* diagnosis_;
  int line_;
  std::vector<Entry> entries_;
  std::vector<std::string> known_;
};

int LineOf(const YAML::Node& node);

}  // namespace tulle::policy
