#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "sidecar/config/field_path.h"

namespace google::protobuf {
class Message;
}

namespace tulle::config {

// Where a resource comes from: what is not understood is refused in files that a person wrote, and
// warned of in what a control plane sends, unless ignoring it would change security or routing.
enum class Origin : uint8_t { kStatic, kDynamic };

// The one place that says what becomes of each field of the messages we read: implemented, accepted
// without effect, or refused. Walks what is set in `message`, Any payloads included.
// Returns an error that names the field and what to do; fills `without_effect` with the paths of
// fields that are accepted and do nothing.
absl::Status CheckFields(const google::protobuf::Message& message, Origin origin,
                         const FieldPath& at, std::vector<std::string>* without_effect);

}  // namespace tulle::config
