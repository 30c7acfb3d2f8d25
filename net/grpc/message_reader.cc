#include "net/grpc/message_reader.h"

#include <array>

namespace tulle::grpc {

void AppendMessage(std::string_view message, Buffer& out) {
  const auto size = static_cast<uint32_t>(message.size());
  const std::array<char, kPrefixSize> prefix = {
      0, static_cast<char>(size >> 24), static_cast<char>(size >> 16), static_cast<char>(size >> 8),
      static_cast<char>(size)};
  out.Append({prefix.data(), prefix.size()});
  out.Append(message);
}

MessageReader::Result MessageReader::Next(std::string& message) {
  if (bytes_.size() < kPrefixSize) return Result::kNeedMore;
  const std::string_view prefix = bytes_.Linearize(kPrefixSize);
  if (prefix[0] != 0) return Result::kCompressed;
  size_t size = 0;
  for (size_t i = 1; i < kPrefixSize; ++i) size = size << 8 | static_cast<uint8_t>(prefix[i]);
  if (size > limit_) return Result::kTooLarge;
  if (bytes_.size() < kPrefixSize + size) return Result::kNeedMore;
  bytes_.Drain(kPrefixSize);
  Buffer one(bytes_.slab());
  one.AppendFront(bytes_, size);
  message = one.ToString();
  return Result::kMessage;
}

}  // namespace tulle::grpc
