// The responses of the shop's services as pure functions of the request. The load client computes
// the same and compares.
#ifndef TESTS_SHOP_GOODS_H_
#define TESTS_SHOP_GOODS_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace tulle::shop {

// Contained in every body, so that a recorder on the wire can look for it.
inline constexpr std::string_view kMarker = "TULLE-SHOP-MARKER";

constexpr size_t kImageSize = 100 << 10;

// FNV-1a, 64 bits: detects a changed byte, not an attacker.
uint64_t Digest(std::string_view bytes);

// The text of post number `id`.
std::string PostText(uint64_t id);

// kImageSize bytes derived from `id`.
std::string Image(uint64_t id);

// A customer's order of about `size` bytes.
std::string Order(uint64_t id, size_t size);

// The line by which a service confirms a body: "received DIGEST SIZE".
std::string Receipt(std::string_view body);

}  // namespace tulle::shop

#endif  // TESTS_SHOP_GOODS_H_
