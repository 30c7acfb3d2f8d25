#include "tests/shop/goods.h"

namespace tulle::shop {

uint64_t Digest(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

std::string PostText(uint64_t id) {
  return "post " + std::to_string(id) + " " + std::string(kMarker) +
         " once upon a time there was a mesh";
}

std::string Image(uint64_t id) {
  std::string bytes(kMarker);
  bytes.reserve(kImageSize);
  uint64_t state = id * 0x9e3779b97f4a7c15 + 1;
  while (bytes.size() < kImageSize) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    bytes.push_back(static_cast<char>(state));
  }
  return bytes;
}

std::string Order(uint64_t id, size_t size) {
  std::string text = std::string(kMarker) + " order " + std::to_string(id) + " ";
  while (text.size() < size) text += "coffee ";
  return text;
}

std::string Receipt(std::string_view body) {
  return "received " + std::to_string(Digest(body)) + " " + std::to_string(body.size());
}

}  // namespace tulle::shop
