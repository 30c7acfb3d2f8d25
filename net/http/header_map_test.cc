#include "net/http/header_map.h"

#include <gtest/gtest.h>

#include <string>

#include "net/http/head.h"

namespace tulle::http {
namespace {

TEST(HeaderMap, KnowsEveryNameInAnyCase) {
  for (int i = 1; i < static_cast<int>(HeaderId::kCount); ++i) {
    const HeaderId id = static_cast<HeaderId>(i);
    std::string name(NameOf(id));
    EXPECT_EQ(IdOf(name), id) << name;
    for (char& c : name) c = static_cast<char>(toupper(c));
    EXPECT_EQ(IdOf(name), id) << name;
    EXPECT_EQ(IdOf(name + "x"), HeaderId::kOther);
  }
}

// Every pair of bytes at every place of names of every length, beside the definition.
TEST(EqualsIgnoreCase, HoldsForLettersOnlyAndForEachLength) {
  const auto lower = [](int c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; };
  for (size_t size = 1; size <= 20; ++size) {
    for (size_t at = 0; at < size; ++at) {
      std::string a(size, 'k'), b(size, 'K');
      for (int x = 0; x < 256; ++x) {
        for (const int y : {x, x ^ 0x20, x ^ 0x80, x ^ 0xa0, x ^ 1, x ^ 0x40}) {
          a[at] = static_cast<char>(x);
          b[at] = static_cast<char>(y);
          ASSERT_EQ(EqualsIgnoreCase(a, b), lower(x) == lower(y)) << size << " " << at << " " << x;
        }
      }
    }
    EXPECT_FALSE(EqualsIgnoreCase(std::string(size, 'a'), std::string(size + 1, 'a')));
  }
}

TEST(HeaderMap, KeepsOrderAndCaseAndRepeats) {
  Slab slab;
  Arena arena(slab);
  HeaderMap headers(arena);
  for (int i = 0; i < 40; ++i) headers.Add("X-Many", "v");
  headers.Add("Content-Type", "text/plain");
  headers.Add("Cookie", "a");
  headers.Add("cOOKIE", "b");
  EXPECT_EQ(headers.size(), 43u);
  EXPECT_EQ(headers.Find("content-type")->name, "Content-Type");
  EXPECT_EQ(headers.Get(HeaderId::kCookie), "a");
  headers.Remove("x-many");
  EXPECT_EQ(headers.size(), 3u);
  headers.Set(HeaderId::kCookie, "c");
  EXPECT_EQ(headers.size(), 2u);
  EXPECT_EQ(headers.Get(HeaderId::kCookie), "c");
  headers.Remove(HeaderId::kCookie);
  EXPECT_FALSE(headers.Has(HeaderId::kCookie));
}

TEST(Head, DetectsGrpc) {
  Slab slab;
  Arena arena(slab);
  for (auto [type, is] : {std::pair{"application/grpc", true},
                          {"application/grpc+proto", true},
                          {"application/grpc-web", false},
                          {"text/plain", false}}) {
    Head head(arena);
    head.headers.Add("Content-Type", type);
    EXPECT_EQ(head.is_grpc(), is) << type;
  }
}

}  // namespace
}  // namespace tulle::http
