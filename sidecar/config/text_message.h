#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace google::protobuf {
class Message;
}

namespace tulle::config {

// Fills `message` from text in JSON or YAML, by the JSON mapping of proto3. An unknown field is an
// error that names its path; no error repeats values of the text. Payloads of Any may have every
// type that is linked.
absl::Status ParseText(std::string_view text, google::protobuf::Message* message);

}  // namespace tulle::config
