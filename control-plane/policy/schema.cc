#include "control-plane/policy/schema.h"

namespace tulle::policy {

void ComplainRequired(ObjectReader& reader, const Field& field) {
  const std::string type = TypeText(field.type);
  reader.Complain(field.name, "required field is missing",
                  field.type.choices.empty() ? "add it (" + type + ")" : "set it to " + type);
}

}  // namespace tulle::policy
