#include "control-plane/policy/object_reader.h"

#include <algorithm>
#include <charconv>

#include "control-plane/policy/names.h"

namespace tulle::policy {
namespace {

constexpr size_t kMostProblems = 200;
constexpr size_t kMostTextBytes = 8192;

std::string Shortened(std::string_view text) {
  std::string shown;
  for (const char c : text.substr(0, 80)) {
    shown += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  }
  return text.size() > 80 ? shown + "..." : shown;
}

std::string Joined(const std::vector<std::string_view>& names) {
  std::string text;
  for (const std::string_view name : names) {
    if (!text.empty()) text += ", ";
    text += name;
  }
  return text;
}

}  // namespace

int LineOf(const YAML::Node& node) { return node.Mark().line + 1; }

void Diagnosis::Add(int line, std::string field, std::string message, std::string hint) {
  if (problems_.size() >= kMostProblems) return;
  problems_.push_back({file_, line, std::move(field), std::move(message), std::move(hint)});
}

ObjectReader::ObjectReader(const YAML::Node& node, std::string path, Diagnosis* diagnosis)
    : path_(std::move(path)), diagnosis_(diagnosis), line_(LineOf(node)) {
  if (!node.IsMap()) {
    diagnosis_->Add(line_, path_, "is no mapping", "write it as key: value");
    return;
  }
  for (const auto& pair : node) {
    if (!pair.first.IsScalar()) {
      diagnosis_->Add(LineOf(pair.first), path_, "a key is no plain text",
                      "write it as key: value");
      continue;
    }
    const std::string& key = pair.first.Scalar();
    const int line = LineOf(pair.first);
    for (const Entry& entry : entries_) {
      if (entry.key != key) continue;
      diagnosis_->Add(line, PathOf(key), "stands there twice",
                      "keep one (the first is in line " + std::to_string(entry.line) + ")");
    }
    entries_.push_back({key, pair.second, line});
  }
}

std::string ObjectReader::PathOf(std::string_view key) const {
  return path_.empty() ? std::string(key) : path_ + "." + Shortened(key);
}

const ObjectReader::Entry* ObjectReader::Find(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.emplace_back(key);
  for (const Entry& entry : entries_) {
    if (entry.key == key) return entry.value.IsNull() ? nullptr : &entry;
  }
  return nullptr;
}

bool ObjectReader::Has(std::string_view key) { return Find(key) != nullptr; }
void ObjectReader::Ignore(std::string_view key) { Find(key); }

void ObjectReader::Complain(std::string_view key, std::string message, std::string hint) {
  const Entry* entry = Find(key);
  diagnosis_->Add(entry == nullptr ? line_ : entry->line, PathOf(key), std::move(message),
                  std::move(hint));
}

std::optional<std::string> ObjectReader::Text(std::string_view key) {
  const Entry* entry = Find(key);
  if (entry == nullptr) return std::nullopt;
  if (!entry->value.IsScalar()) {
    Complain(key, "is no plain text", "write one value after the colon");
    return std::nullopt;
  }
  if (entry->value.Scalar().size() > kMostTextBytes) {
    Complain(key, "is too long", "at most " + std::to_string(kMostTextBytes) + " bytes");
    return std::nullopt;
  }
  return entry->value.Scalar();
}

std::string ObjectReader::RequiredText(std::string_view key, std::string_view hint) {
  const std::optional<std::string> text = Text(key);
  if (text && !text->empty()) return *text;
  if (!Has(key) || text) Complain(key, "is missing", std::string(hint));
  return "";
}

std::optional<uint32_t> ObjectReader::ParseInteger(const YAML::Node& node, const std::string& path,
                                                   uint32_t min, uint32_t max) {
  const std::string text = node.IsScalar() ? node.Scalar() : "";
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_quoted = node.IsScalar() && node.Tag() == "!";
  if (error == std::errc() && end == text.data() + text.size() && !is_quoted && value >= min &&
      value <= max) {
    return value;
  }
  diagnosis_->Add(
      LineOf(node), path,
      node.IsScalar() ? "\"" + Shortened(text) + "\" is no number that fits" : "is no number",
      "write a whole number from " + std::to_string(min) + " to " + std::to_string(max) +
          (is_quoted ? ", without quotes" : ""));
  return std::nullopt;
}

std::optional<uint32_t> ObjectReader::Integer(std::string_view key, uint32_t min, uint32_t max) {
  const Entry* entry = Find(key);
  if (entry == nullptr) return std::nullopt;
  return ParseInteger(entry->value, PathOf(key), min, max);
}

std::optional<std::chrono::milliseconds> ObjectReader::Duration(std::string_view key) {
  const std::optional<std::string> text = Text(key);
  if (!text) return std::nullopt;
  const std::optional<std::chrono::milliseconds> duration = ParseDuration(*text);
  if (!duration) {
    Complain(key, "\"" + Shortened(*text) + "\" is no duration",
             "write it like 500ms, 2s or 1m30s");
  } else if (*duration > kLongestDuration) {
    Complain(key, "\"" + Shortened(*text) + "\" is too long", "write at most 87600h (10 years)");
    return std::nullopt;
  }
  return duration;
}

void ObjectReader::List(std::string_view key, size_t most, const ElementFn& each) {
  const Entry* entry = Find(key);
  if (entry == nullptr) return;
  if (!entry->value.IsSequence()) {
    Complain(key, "is no list", "begin each element with \"- \" on its own line");
    return;
  }
  if (entry->value.size() > most) {
    Complain(key, "has " + std::to_string(entry->value.size()) + " elements",
             "at most " + std::to_string(most) + ": spread them over several documents");
    return;
  }
  size_t index = 0;
  for (const YAML::Node& element : entry->value) {
    each(element, PathOf(key) + "[" + std::to_string(index++) + "]");
  }
}

std::vector<std::string> ObjectReader::Texts(std::string_view key, size_t most) {
  std::vector<std::string> texts;
  List(key, most, [&](const YAML::Node& element, const std::string& path) {
    if (element.IsScalar() && !element.Scalar().empty() &&
        element.Scalar().size() <= kMostTextBytes) {
      texts.push_back(element.Scalar());
    } else {
      diagnosis_->Add(LineOf(element), path, "is no plain text", "write one value, not empty");
    }
  });
  return texts;
}

std::vector<uint32_t> ObjectReader::Integers(std::string_view key, uint32_t min, uint32_t max,
                                             size_t most) {
  std::vector<uint32_t> values;
  List(key, most, [&](const YAML::Node& element, const std::string& path) {
    if (const auto value = ParseInteger(element, path, min, max)) values.push_back(*value);
  });
  return values;
}

std::map<std::string, std::string> ObjectReader::TextMap(std::string_view key) {
  std::map<std::string, std::string> map;
  const Entry* entry = Find(key);
  if (entry == nullptr) return map;
  ObjectReader object(entry->value, PathOf(key), diagnosis_);
  for (const Entry& pair : object.entries_) {
    if (const auto text = object.Text(pair.key)) map[pair.key] = *text;
  }
  return map;
}

bool ObjectReader::Object(std::string_view key, const ObjectFn& read) {
  const Entry* entry = Find(key);
  if (entry == nullptr) return false;
  ObjectReader object(entry->value, PathOf(key), diagnosis_);
  if (!entry->value.IsMap()) return true;
  read(object);
  object.Finish();
  return true;
}

void ObjectReader::RefuseChoice(std::string_view key, const std::string& text,
                                const std::vector<std::string_view>& names) {
  std::string hint = "one of " + Joined(names);
  if (const auto nearest = NearestName(text, names))
    hint = "did you mean " + *nearest + "? " + hint;
  Complain(key, "\"" + Shortened(text) + "\" is not known here", hint);
}

void ObjectReader::Finish() {
  const std::vector<std::string_view> known(known_.begin(), known_.end());
  for (const Entry& entry : entries_) {
    if (std::find(known_.begin(), known_.end(), entry.key) != known_.end()) continue;
    std::string hint = "known here: " + Joined(known);
    if (const auto nearest = NearestName(entry.key, known)) {
      hint = "did you mean " + *nearest + "? " + hint;
    }
    diagnosis_->Add(entry.line, PathOf(entry.key), "unknown field", hint);
  }
}

}  // namespace tulle::policy
