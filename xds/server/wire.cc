#include "xds/server/wire.h"

#include <cstddef>

namespace tulle::xds {
namespace {

void AppendVarint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

size_t VarintSize(uint64_t value) {
  size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}

// Numbers below 16 only: a tag of one byte.
void AppendHead(std::string& out, uint32_t number, size_t size) {
  out += static_cast<char>(number << 3 | 2);
  AppendVarint(out, size);
}

size_t FieldSize(std::string_view bytes) { return 1 + VarintSize(bytes.size()) + bytes.size(); }

}  // namespace

void AppendField(std::string& out, uint32_t number, std::string_view bytes) {
  AppendHead(out, number, bytes.size());
  out += bytes;
}

void AppendAny(std::string& out, uint32_t number, std::string_view type_url,
               std::string_view value) {
  AppendHead(out, number, FieldSize(type_url) + FieldSize(value));
  AppendField(out, 1, type_url);
  AppendField(out, 2, value);
}

void AppendResource(std::string& out, uint32_t number, std::string_view name,
                    std::string_view version, std::string_view type_url, std::string_view value) {
  const size_t any = FieldSize(type_url) + FieldSize(value);
  AppendHead(out, number, FieldSize(version) + 1 + VarintSize(any) + any + FieldSize(name));
  AppendField(out, 1, version);
  AppendAny(out, 2, type_url, value);
  AppendField(out, 3, name);
}

}  // namespace tulle::xds
