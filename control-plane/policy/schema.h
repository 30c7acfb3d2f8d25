// One table of fields per object of a policy: it reads the object from YAML, writes it as JSON and
// describes it. A row holds name, value (type and member), default and description:
//
//   const Schema<Timeouts>& TimeoutsFields() {
//     static const Schema<Timeouts> schema({
//         {"connect", Duration(&Timeouts::connect, kNotZero), "3s", "Time to establish ..."},
//     });
//     return schema;
//   }
//
// To add a field: the member (model.h), the row, what it means (control-plane/snapshot), a test.
// Constants, built at first use; any thread. Values: values.h.
#pragma once

#include <functional>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "control-plane/policy/field.h"
#include "control-plane/policy/object_reader.h"

namespace tulle::policy {

using Json = nlohmann::json;

// How one field of an Owner is read and written.
template <typename Owner>
struct Value {
  FieldType type;
  std::function<void(ObjectReader&, std::string_view key, Owner&)> read;
  // null: the field is not written.
  std::function<Json(const Owner&)> write;
};

template <typename Owner>
struct Row {
  std::string_view name;
  Value<Owner> value;
  std::string_view default_text;
  std::string_view description;
  Effect effect = Effect::kAlways;
};

// Says that a required field has no value.
void ComplainRequired(ObjectReader& reader, const Field& field);

template <typename Owner>
class Schema : public ObjectFields {
 public:
  // Runs when all fields have been read: checks fields against each other, fills what follows.
  using FinishFn = void (*)(ObjectReader&, Owner&);

  // `rules` say the same as `finish`, as far as CEL can.
  explicit Schema(std::vector<Row<Owner>> rows, FinishFn finish = nullptr,
                  std::vector<FieldRule> rules = {})
      : finish_(finish) {
    rules_ = std::move(rules);
    for (Row<Owner>& row : rows) {
      fields_.push_back({row.name, row.value.type, row.default_text, row.description, row.effect});
      values_.push_back(std::move(row.value));
    }
  }

  // The caller ends with reader.Finish().
  void Read(ObjectReader& reader, Owner& owner) const {
    for (size_t i = 0; i < fields_.size(); ++i) {
      if (fields_[i].is_required() && reader.IsEmpty(fields_[i].name)) {
        ComplainRequired(reader, fields_[i]);
      } else {
        values_[i].read(reader, fields_[i].name, owner);
      }
    }
    if (finish_ != nullptr) finish_(reader, owner);
  }

  // An object of the fields that are set.
  Json Write(const Owner& owner) const {
    Json object = Json::object();
    for (size_t i = 0; i < fields_.size(); ++i) {
      Json value = values_[i].write(owner);
      if (!value.is_null()) object[std::string(fields_[i].name)] = std::move(value);
    }
    return object;
  }

  const Value<Owner>& ValueOf(std::string_view name) const {
    return values_[static_cast<size_t>(Find(name) - fields_.data())];
  }

 private:
  std::vector<Value<Owner>> values_;
  FinishFn finish_;
};

// Rows that several tables share, followed by a table's own.
template <typename Owner>
std::vector<Row<Owner>> Concat(std::vector<Row<Owner>> rows,
                               std::type_identity_t<std::vector<Row<Owner>>> more) {
  rows.insert(rows.end(), more.begin(), more.end());
  return rows;
}

}  // namespace tulle::policy
