// Protobuf's wire format, for messages of OTLP that are written without protobuf.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tulle::telemetry::otlp {

// A field's key is its number and one of these wire types.
constexpr uint32_t kVarint = 0;
constexpr uint32_t kFixed64 = 1;
constexpr uint32_t kBytes = 2;
constexpr uint32_t kFixed32 = 5;

inline void PutVarint(uint64_t value, std::string& out) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

inline size_t VarintSize(uint64_t value) {
  size_t size = 1;
  while (value >= 0x80) {
    value >>= 7;
    ++size;
  }
  return size;
}

inline void PutKey(uint32_t field, uint32_t type, std::string& out) {
  PutVarint(field << 3 | type, out);
}

inline void PutText(uint32_t field, std::string_view text, std::string& out) {
  PutKey(field, kBytes, out);
  PutVarint(text.size(), out);
  out.append(text);
}

void PutFixed64(uint32_t field, uint64_t value, std::string& out);
void PutFixed32(uint32_t field, uint32_t value, std::string& out);
// Without a key: ids are bytes in this order.
void PutBigEndian(uint64_t value, std::string& out);

// A message whose length is known only later. CloseMessage takes what OpenMessage returned.
size_t OpenMessage(uint32_t field, std::string& out);
void CloseMessage(size_t begin, std::string& out);

// A whole KeyValue whose AnyValue holds a text.
void PutAttribute(uint32_t field, std::string_view key, std::string_view value, std::string& out);

}  // namespace tulle::telemetry::otlp
