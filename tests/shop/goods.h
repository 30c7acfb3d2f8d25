// What the shop's services answer, as pure functions of the request: the load client works the same
// out and compares.
#ifndef TESTS_SHOP_GOODS_H_
#define TESTS_SHOP_GOODS_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace tulle::shop {

// Stands in every body, so that whoever listens on the wire can look for it.
inline constexpr std::string_view kMarker = "TULLE-SHOP-MARKER";

constexpr size_t kImageSize = 100 << 10;

// FNV-1a, 64 bits: tells a changed byte, not an attacker.
uint64_t Digest(std::string_view bytes);

// The text of post number `id`.
std::string PostText(uint64_t id);

// kImageSize bytes that follow from `id`.
std::string Image(uint64_t id);

// A customer's order of about `size` bytes.
std::string Order(uint64_t id, size_t size);

// The line by which a service says that it got a body: "received DIGEST SIZE".
std::string Receipt(std::string_view body);

}  // namespace tulle::shop

#endif  // TESTS_SHOP_GOODS_H_
