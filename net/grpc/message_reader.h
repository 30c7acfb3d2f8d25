#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "net/base/buffer.h"

namespace tulle::grpc {

inline constexpr size_t kPrefixSize = 5;

// The length-prefixed frame of one message, uncompressed.
void AppendMessage(std::string_view message, Buffer& out);

// Cuts a body into messages. Owner: a call. After an error it returns no more messages.
class MessageReader {
 public:
  enum class Result : uint8_t { kMessage, kNeedMore, kTooLarge, kCompressed };

  // `limit`: bytes of one message.
  MessageReader(Slab& slab, size_t limit) : bytes_(slab), limit_(limit) {}

  void Append(Buffer& body) { bytes_.Append(body); }
  Result Next(std::string& message);
  // Bytes of an incomplete message remain.
  bool in_message() const { return !bytes_.empty(); }

 private:
  Buffer bytes_;
  const size_t limit_;
};

}  // namespace tulle::grpc
