#include "net/tls/client_hello.h"

#include <gtest/gtest.h>

#include <string>

namespace tulle::tls {
namespace {

std::string Number(size_t value, int width) {
  std::string out;
  for (int shift = (width - 1) * 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift & 0xff));
  }
  return out;
}

std::string Vector(const std::string& body, int width) { return Number(body.size(), width) + body; }

std::string Extension(uint16_t type, const std::string& body) {
  return Number(type, 2) + Vector(body, 2);
}

std::string Sni(const std::string& name) {
  return Extension(0, Vector(Number(0, 1) + Vector(name, 2), 2));
}

std::string Alpn(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += Vector(name, 1);
  return Extension(16, Vector(list, 2));
}

const std::string kVersions = Extension(43, Vector("\x03\x04\x03\x03", 1));

std::string Message(const std::string& extensions) {
  std::string body = "\x03\x03" + std::string(32, 'r') + Vector("", 1) +
                     Vector(Number(0x1301, 2), 2) + Vector(std::string(1, '\0'), 1);
  if (!extensions.empty()) body += Vector(extensions, 2);
  return Number(1, 1) + Vector(body, 3);
}

// The message cut into records of at most `size` bytes.
std::string Records(const std::string& message, size_t size = 16 * 1024) {
  std::string out;
  for (size_t at = 0; at < message.size(); at += size) {
    out += "\x16\x03\x01" + Vector(message.substr(at, size), 2);
  }
  return out;
}

const std::string kMessage =
    Message(Sni("Post.Default") + kVersions + Alpn({"istio-h2", "h2"}) + Extension(99, "opaque"));

void ExpectGolden(const ClientHelloParser& parser) {
  ASSERT_EQ(parser.verdict(), HelloVerdict::kHello);
  EXPECT_EQ(parser.hello().sni, "post.default");
  EXPECT_EQ(parser.hello().alpn, (std::vector<std::string>{"istio-h2", "h2"}));
  EXPECT_EQ(parser.hello().versions, (std::vector<uint16_t>{0x0304, 0x0303}));
  EXPECT_EQ(parser.FindExtension(99), "opaque");
  EXPECT_EQ(parser.FindExtension(98), std::nullopt);
}

HelloVerdict Feed(const std::string& bytes) { return ClientHelloParser().Feed(bytes); }

TEST(ClientHello, WholeByteByByteAndAtEverySplit) {
  for (const size_t record : {size_t{1}, size_t{3}, size_t{50}, size_t{16 * 1024}}) {
    const std::string bytes = Records(kMessage, record);
    ClientHelloParser whole;
    whole.Feed(bytes);
    ExpectGolden(whole);
    ClientHelloParser slow;
    for (const char c : bytes) slow.Feed({&c, 1});
    ExpectGolden(slow);
    for (size_t split = 1; split < bytes.size(); ++split) {
      ClientHelloParser parser;
      EXPECT_EQ(parser.Feed(std::string_view(bytes).substr(0, split)), HelloVerdict::kNeedMore);
      parser.Feed(std::string_view(bytes).substr(split));
      ExpectGolden(parser);
    }
  }
}

TEST(ClientHello, WithoutExtensionsTheLegacyVersionCounts) {
  ClientHelloParser parser;
  ASSERT_EQ(parser.Feed(Records(Message(""))), HelloVerdict::kHello);
  EXPECT_EQ(parser.hello().versions, (std::vector<uint16_t>{0x0303}));
  EXPECT_EQ(parser.hello().sni, "");
  EXPECT_TRUE(parser.hello().alpn.empty());
}

TEST(ClientHello, BytesAfterTheHelloAreLeftAlone) {
  ClientHelloParser parser;
  EXPECT_EQ(parser.Feed(Records(kMessage) + "whatever follows"), HelloVerdict::kHello);
  ExpectGolden(parser);
}

TEST(ClientHello, Fault32_OtherProtocolsAreSeenAtTheFirstByteThatDiffers) {
  EXPECT_EQ(Feed("G"), HelloVerdict::kNotTls);
  EXPECT_EQ(Feed("GET / HTTP/1.1\r\n"), HelloVerdict::kNotTls);
  EXPECT_EQ(Feed("\x16"), HelloVerdict::kNeedMore);
  EXPECT_EQ(Feed("\x16\x02"), HelloVerdict::kNotTls);
  EXPECT_EQ(Feed("\x80\x2e\x01"), HelloVerdict::kNotTls);  // SSL 2
}

TEST(ClientHello, Fault32_TruncatedHelloNeedsMore) {
  const std::string bytes = Records(kMessage);
  EXPECT_EQ(Feed(bytes.substr(0, bytes.size() - 1)), HelloVerdict::kNeedMore);
}

TEST(ClientHello, Fault32_64KibHelloIsTheLargestTaken) {
  const auto of_size = [](size_t size) {
    const size_t around = Message(Extension(99, "")).size() - 4;
    return Message(Extension(99, std::string(size - around, 'x')));
  };
  EXPECT_EQ(Feed(Records(of_size(65535))), HelloVerdict::kHello);
  EXPECT_EQ(Feed(Records("\x01" + Number(65537, 3))), HelloVerdict::kMalformed);
  EXPECT_EQ(Feed(Records("\x01\xff\xff\xff")), HelloVerdict::kMalformed);
}

TEST(ClientHello, Fault32_MalformedHellosAreRefused) {
  const std::string bad[] = {
      "\x02" + kMessage.substr(1),           // another message
      Message(Sni("")),                      // empty name
      Message(Sni(std::string("a\0b", 3))),  // NUL
      Message(Sni(std::string(256, 'a'))),   // too long
      Message(Sni("a") + Sni("b")),          // twice
      Message(
          Extension(0, Vector(Number(0, 1) + Vector("a", 2) + Number(0, 1) + Vector("b", 2), 2))),
      Message(Alpn({})),
      Message(Alpn({""})),
      Message(Extension(16, Number(5, 2) + "\x02h2")),    // inner length too long
      Message(Extension(16, Vector("\x02h2", 2) + "x")),  // trailing byte
      Message(Extension(43, Vector("\x03", 1))),          // half a version
      Message(Number(99, 2) + Number(100, 2) + "short"),
      Message(Extension(99, "") + "x"),
  };
  for (const std::string& message : bad) {
    EXPECT_EQ(Feed(Records(message)), HelloVerdict::kMalformed) << message;
  }
  EXPECT_EQ(Feed(std::string("\x16\x03\x01\x00\x00", 5)), HelloVerdict::kMalformed);
  EXPECT_EQ(Feed("\x16\x03\x01\x40\x01"), HelloVerdict::kMalformed);
  // An alert in the middle of the hello.
  EXPECT_EQ(Feed(Records(kMessage.substr(0, 20)) + "\x15\x03\x01"), HelloVerdict::kMalformed);
}

TEST(ClientHello, VerdictIsFinal) {
  ClientHelloParser parser;
  parser.Feed("G");
  EXPECT_EQ(parser.Feed(Records(kMessage)), HelloVerdict::kNotTls);
}

}  // namespace
}  // namespace tulle::tls
