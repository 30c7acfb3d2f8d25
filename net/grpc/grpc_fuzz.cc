// Bodies cut into messages, and gRPC's headers and trailers. The first byte chooses what is read;
// bodies must give the same messages whole and cut anywhere.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "net/base/arena.h"
#include "net/grpc/message_reader.h"
#include "net/grpc/status.h"

namespace tulle::grpc {
namespace {

constexpr size_t kLimit = 300;

struct Cut {
  std::vector<std::string> messages;
  MessageReader::Result last = MessageReader::Result::kNeedMore;
  bool in_message = false;
  bool operator==(const Cut&) const = default;
};

Cut Read(std::string_view body, size_t step) {
  Slab slab;
  MessageReader reader(slab, kLimit);
  Cut cut;
  while (!body.empty()) {
    Buffer piece(slab);
    piece.Append(body.substr(0, step));
    body.remove_prefix(std::min(step, body.size()));
    reader.Append(piece);
    std::string message;
    while ((cut.last = reader.Next(message)) == MessageReader::Result::kMessage) {
      if (message.size() > kLimit) std::abort();
      cut.messages.push_back(message);
    }
    if (cut.last != MessageReader::Result::kNeedMore) return cut;
  }
  cut.in_message = reader.in_message();
  return cut;
}

void ReadFields(std::string_view text) {
  const std::string decoded = DecodeMessage(text);
  if (DecodeMessage(EncodeMessage(decoded)) != decoded) std::abort();
  if (const auto timeout = ParseTimeout(text)) {
    const auto again = ParseTimeout(FormatTimeout(*timeout));
    if (!again || (timeout->count() > 0 && *again < *timeout)) std::abort();
  }
  Slab slab;
  Arena arena(slab);
  http::HeaderMap fields(arena);
  fields.Add("grpc-status", text.substr(0, text.find(' ')));
  fields.Add("grpc-message", text);
  if (!StatusFrom(fields).has_value()) std::abort();
}

}  // namespace
}  // namespace tulle::grpc

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 'f') {
    tulle::grpc::ReadFields(text);
    return 0;
  }
  const auto whole = tulle::grpc::Read(text, text.size());
  if (!(tulle::grpc::Read(text, 1) == whole)) std::abort();
  if (!(tulle::grpc::Read(text, data[0] % 16 + 1) == whole)) std::abort();
  return 0;
}
