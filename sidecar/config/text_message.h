#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace google::protobuf {
class Message;
}

namespace tulle::config {

// Fills `message` from text in JSON or YAML, by the JSON mapping of proto3. A field that does not
// exist is an error that names its path. Payloads of Any may be of every type that is linked.
absl::Status ParseText(std::string_view text, google::protobuf::Message* message);

}  // namespace tulle::config
