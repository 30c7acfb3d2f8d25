#include "sidecar/proxy/span_url.h"

#include <gtest/gtest.h>

#include <string>

#include "net/base/arena.h"
#include "net/base/slab.h"

namespace tulle::proxy {
namespace {

std::string Redacted(std::string_view path, size_t room = 256) {
  std::string scratch(room, ' ');
  return std::string(RedactedQuery(path, scratch));
}

TEST(SpanUrl, AQueryKeepsNamesAndNoValue) {
  EXPECT_EQ(Redacted("/x"), "");
  EXPECT_EQ(Redacted("/x?"), "");
  EXPECT_EQ(Redacted("/x?page=2"), "page=REDACTED");
  EXPECT_EQ(Redacted("/x?page=2&sig=abc&empty="), "page=REDACTED&sig=REDACTED&empty=");
  EXPECT_EQ(Redacted("/x?a=b=c&&d"), "a=REDACTED&&REDACTED");
  EXPECT_EQ(Redacted("/x?eyJhbGciOi"), "REDACTED");  // a token, as it seems
  EXPECT_EQ(Redacted("/x?a=b?c=d"), "a=REDACTED");
}

TEST(SpanUrl, AQueryIsCutWhereTheRoomEnds) {
  EXPECT_EQ(Redacted("/x?page=2&sig=abc", 15), "page=REDACTED&s");
  EXPECT_EQ(Redacted("/x?" + std::string(100'000, '&'), 8), "&&&&&&&&");
  EXPECT_EQ(Redacted("/x?" + std::string(100'000, 'a') + "=1", 8), "aaaaaaaa");
}

TEST(SpanUrl, AnAuthorityIsAHostAndAPort) {
  const auto expect = [](std::string_view authority, std::string_view host, uint16_t port) {
    const ServerAddress address = ServerAddressOf(authority);
    EXPECT_EQ(address.host, host) << authority;
    EXPECT_EQ(address.port, port) << authority;
  };
  expect("web", "web", 0);
  expect("web:8080", "web", 8080);
  expect("[2001:db8::1]:443", "2001:db8::1", 443);
  expect("[2001:db8::1]", "2001:db8::1", 0);
  expect("", "", 0);
  expect("[", "[", 0);
  expect("[]", "[]", 0);
  expect(":", "", 0);
  expect("web:", "web", 0);
  expect("web:99999", "web", 0);
  expect("web:x", "web", 0);
}

TEST(SpanUrl, AUrlHasNeitherCredentialsNorValues) {
  Slab slab;
  Arena arena(slab);
  http::Head head(arena);
  std::string scratch(64, ' ');
  head.authority = "user:password@web:8080";
  head.path = "/pay?card=1234";
  EXPECT_EQ(RedactedUrl(head, "https", 256, scratch), "https://web:8080/pay?card=REDACTED");
  EXPECT_EQ(RedactedUrl(head, "http", 2, scratch), "http://web:8080/p?card=REDACTED");
  const std::string long_path = "/" + std::string(100, 'p');
  head.path = long_path;
  EXPECT_EQ(RedactedUrl(head, "http", 256, scratch).size(), scratch.size());
  head.path = {};
  EXPECT_EQ(RedactedUrl(head, "http", 256, scratch), "");
}

}  // namespace
}  // namespace tulle::proxy
