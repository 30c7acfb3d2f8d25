#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "sidecar/config/field_path.h"

namespace google::protobuf {
class Message;
}

namespace tulle::config {

// Where a resource comes from: unsupported fields are refused in files written by a user, and
// reported as warnings in resources from a control plane, unless ignoring them would change
// security or routing.
enum class Origin : uint8_t { kStatic, kDynamic };

// The single definition of how each field of the messages we read is treated: implemented, accepted
// without effect, or refused. Walks the fields set in `message`, including Any payloads. Returns an
// error that names the field and how to fix it; fills `without_effect` with the paths of fields
// that are accepted but have no effect.
absl::Status CheckFields(const google::protobuf::Message& message, Origin origin,
                         const FieldPath& at, std::vector<std::string>* without_effect);

}  // namespace tulle::config
