#include "telemetry/otlp_wire.h"

namespace tulle::telemetry::otlp {
namespace {

// The size reserved for a length that is known only later; protobuf accepts numbers that are not in
// their shortest form.
constexpr size_t kLengthRoom = 4;

template <typename Number>
void PutLittleEndian(Number value, std::string& out) {
  for (size_t i = 0; i < sizeof value; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

}  // namespace

void PutBigEndian(uint64_t value, std::string& out) {
  for (int i = 7; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i)));
}

void PutFixed64(uint32_t field, uint64_t value, std::string& out) {
  PutKey(field, kFixed64, out);
  PutLittleEndian(value, out);
}

void PutFixed32(uint32_t field, uint32_t value, std::string& out) {
  PutKey(field, kFixed32, out);
  PutLittleEndian(value, out);
}

size_t OpenMessage(uint32_t field, std::string& out) {
  PutKey(field, kBytes, out);
  out.append(kLengthRoom, '\0');
  return out.size();
}

void CloseMessage(size_t begin, std::string& out) {
  size_t length = out.size() - begin;
  for (size_t i = 0; i < kLengthRoom; ++i) {
    const bool last = i + 1 == kLengthRoom;
    out[begin - kLengthRoom + i] = static_cast<char>((length & 0x7f) | (last ? 0 : 0x80));
    length >>= 7;
  }
}

void PutAttribute(uint32_t field, std::string_view key, std::string_view value, std::string& out) {
  const size_t any = 1 + VarintSize(value.size()) + value.size();
  const size_t whole = 1 + VarintSize(key.size()) + key.size() + 1 + VarintSize(any) + any;
  PutKey(field, kBytes, out);
  PutVarint(whole, out);
  PutText(1, key, out);
  PutKey(2, kBytes, out);
  PutVarint(any, out);
  PutText(1, value, out);
}

}  // namespace tulle::telemetry::otlp
