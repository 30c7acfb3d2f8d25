// Inputs of the list of faults: each is refused, with the expected kind of failure, however its
// bytes are cut.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "net/http1/testing/transcript.h"

namespace tulle::http1 {
namespace {

using std::string_literals::operator""s;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: a\r\n";
constexpr std::string_view kPost = "POST / HTTP/1.1\r\nHost: a\r\n";
const std::string kChunked = std::string(kPost) + "Transfer-Encoding: chunked\r\n\r\n";

std::string Play(const std::string& bytes, TranscriptOptions options = {}) {
  return SplitInvariantTranscript(
      bytes, options, [&](const std::string& how, const std::string& transcript) {
        ADD_FAILURE() << Escape(bytes.substr(0, 200)) << " " << how << ":\n" << transcript;
      });
}

std::string LastLine(const std::string& transcript) {
  const size_t end = transcript.find_last_not_of('\n');
  const size_t start = transcript.rfind('\n', end);
  return transcript.substr(start + 1, end - start);
}

// The cause with which `bytes` are refused; empty if they are not.
std::string CauseOf(const std::string& bytes, TranscriptOptions options = {}) {
  const std::string line = LastLine(Play(bytes, options));
  if (!line.starts_with("fail ")) return "";
  return line.substr(5, line.find(':') - 5);
}

void ExpectRefused(const std::vector<std::string>& inputs, std::string_view cause = "bad_request") {
  for (const std::string& input : inputs) EXPECT_EQ(CauseOf(input), cause) << Escape(input);
}

std::vector<std::string> Heads(std::string_view start, const std::vector<std::string>& lines) {
  std::vector<std::string> heads;
  for (const std::string& line : lines) heads.push_back(std::string(start) + line + "\r\n\r\n");
  return heads;
}

TEST(Parser, Fault01_LengthAndChunked) {
  ExpectRefused(Heads(kPost, {"Content-Length: 3\r\nTransfer-Encoding: chunked",
                              "Transfer-Encoding: chunked\r\nContent-Length: 3",
                              "content-length: 0\r\ntransfer-encoding: chunked"}));
}

TEST(Parser, Fault02_ContentLengthThatIsNotOneNumber) {
  ExpectRefused(Heads(
      kPost, {"Content-Length: 3\r\nContent-Length: 4", "Content-Length: 3\r\nContent-Length: 3",
              "Content-Length: 5,5", "Content-Length: 5, 5", "Content-Length: +5",
              "Content-Length: 0x5", "Content-Length: -1", "Content-Length:", "Content-Length: 1e3",
              "Content-Length: 5 5", "Content-Length: 9999999999999999999",
              "Content-Length: 18446744073709551621", "Content-Length: \xd9\xa5"}));
}

TEST(Parser, Fault03_TransferEncodingOtherThanChunked) {
  ExpectRefused(Heads(
      kPost,
      {"Transfer-Encoding: chunked, chunked",
       "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding: identity",
       "Transfer-Encoding:\tchunked", "Transfer-Encoding: chunked\t",
       "Transfer-Encoding: \xc2\xa0"s + "chunked", "Transfer-Encoding: \xa0"s + "chunked",
       "Transfer-Encoding:", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked;q=1",
       "Transfer-Encoding: \"chunked\"", "Transfer-Encoding: chunked,"}));
  ExpectRefused(Heads(kPost, {"Transfer-Encoding: \vchunked", "Transfer-Encoding: \fchunked"}));
  ExpectRefused(Heads(kPost, {"Transfer-Encoding: xchunked", "Transfer-Encoding: gzip"}),
                "unsupported_transfer_coding");
}

TEST(Parser, Fault04_LineEndsOtherThanCrLf) {
  ExpectRefused({"GET / HTTP/1.1\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\n\r\n",
                 "GET / HTTP/1.1\r\nHost: a\r\n\n", "GET / HTTP/1.1\rHost: a\r\n\r\n",
                 "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
                 "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n",
                 "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"});
}

TEST(Parser, Fault05_ControlBytes) {
  for (int c = 0; c < 0x20; ++c) {
    if (c == '\t' || c == '\r' || c == '\n') continue;
    const std::string byte(1, static_cast<char>(c));
    ExpectRefused(Heads(kGet, {"A: b" + byte + "c", "A" + byte + ": b", "A: " + byte}));
  }
  ExpectRefused(Heads(kGet, {"A: b\x7f", "A\x7f: b", "A\t: b"}));
}

TEST(Parser, Fault06_FoldsAndBlanksInNames) {
  ExpectRefused(Heads(kGet, {"A: b\r\n c", "A: b\r\n\tc", "A : b", "A\t: b", " A: b", ": b", "A",
                             "A b: c", "A\xc3\xa9: b", "A(: b"}));
  ExpectRefused({"GET / HTTP/1.1\r\n Host: a\r\n\r\n"});
}

TEST(Parser, Fault07_Host) {
  constexpr std::string_view kLine = "GET / HTTP/1.1\r\n";
  ExpectRefused(
      Heads(kLine, {"A: b", "Host: a\r\nHost: a", "Host: a\r\nhost: b", "Host:", "Host: a b",
                    "Host: a,b", "Host: u@a", "Host: a/b", "Host: a?b", "Host: a:b", "Host: :80",
                    "Host: [::1", "Host: a:123456", "Host: [a]b", "Host: a\\b", "Host: []"}));
  EXPECT_EQ(CauseOf("GET http://b/ HTTP/1.1\r\n\r\n"), "bad_request");
  EXPECT_EQ(Play("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
            "head GET / scheme=http host=b ()\nend\n");
}

TEST(Parser, Fault08_Versions) {
  ExpectRefused({"GET / HTTP/1.2\r\nHost: a\r\n\r\n", "GET / HTTP/9.9\r\nHost: a\r\n\r\n",
                 "GET / HTTP/0.9\r\nHost: a\r\n\r\n", "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
                "unsupported_version");
  ExpectRefused({"GET /\r\n", "GET / HTTP/1.1x\r\n", "GET / HTTP/1.\r\n", "GET / HTTP/11\r\n",
                 "GET / http/1.1\r\n", "GET / HTTP/01.1\r\n", "GET / HTTP 1.1\r\n",
                 "GET / HTTP/1.1 \r\n", "GET / \r\n", "GET\r\n"});
  ExpectRefused({"GET / HTTP/1.0\r\nHost: a\r\n\r\n"}, "upgrade_required");
}

TEST(Parser, Fault09_Methods) {
  ExpectRefused({"get / HTTP/1.1\r\nHost: a\r\n\r\n", "Get / HTTP/1.1\r\nHost: a\r\n\r\n",
                 "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", " GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                 "G\xc3\x89T / HTTP/1.1\r\nHost: a\r\n\r\n",
                 "\tGET / HTTP/1.1\r\nHost: a\r\n\r\n"});
  TranscriptOptions options;
  const std::string whole = Transcript({std::string(1 << 20, 'A')}, options);
  EXPECT_EQ(whole, "fail bad_request: not an HTTP/1.1 message\n");
}

TEST(Parser, Fault10_HeadLargerThan60KiB) {
  TranscriptOptions options;
  const std::string end = "\r\n\r\n";
  for (const std::string& start : {std::string(kGet) + "A: ", std::string(kGet) + "A"}) {
    const size_t room = options.limits.head_bytes - start.size() - end.size();
    const std::string filler(room + 1, 'x');
    EXPECT_EQ(CauseOf(start + filler + end), "headers_too_large");
  }
  const std::string fits = std::string(kGet) + "A: ";
  EXPECT_EQ(CauseOf(fits + std::string(options.limits.head_bytes - fits.size() - 4, 'x') + end),
            "");
  EXPECT_EQ(CauseOf("GET /" + std::string(61 * 1024, 'x')), "headers_too_large");
  options.limits.line_bytes = 100;
  EXPECT_EQ(CauseOf("GET /" + std::string(100, 'x') + " HTTP/1.1\r\n", options),
            "headers_too_large");
}

TEST(Parser, Fault11_MoreThan100Headers) {
  std::string lines;
  for (int i = 0; i < 99; ++i) lines += "A: b\r\n";
  EXPECT_EQ(CauseOf(std::string(kGet) + lines + "\r\n"), "");
  EXPECT_EQ(CauseOf(std::string(kGet) + lines + "A: b\r\n\r\n"), "headers_too_large");
}

TEST(Parser, Fault13_ChunkSizes) {
  for (const char* size :
       {"00000000000000001", "10000000000000000", "ffffffffffffffff", "8000000000000000", "+1",
        "-1", " 1", "1 ", "1\t", "1_0", "0x1", "g", "", ";a", "1,", "\xb2", "1\v"}) {
    EXPECT_EQ(CauseOf(kChunked + size + "\r\nx\r\n0\r\n\r\n"), "bad_request") << size;
  }
  EXPECT_EQ(Play(kChunked + "0000000000000001\r\nx\r\n0\r\n\r\n"),
            "head POST / host=a ()\nbody x\nend\n");
}

TEST(Parser, Fault14_ChunkExtensions) {
  for (const char* line : {"1;a\r\r\n", "1;a\r\rb\n", "1;a\n", "1;a\x01\r\n", "1\r\r;a\r\n", "1\n",
                           "1;\"\r\"\r\n", "1;a\x7f\r\n"}) {
    EXPECT_EQ(CauseOf(kChunked + line + "x\r\n0\r\n\r\n"), "bad_request") << Escape(line);
  }
  TranscriptOptions options;
  const std::string most(options.limits.chunk_extension_bytes - 1, 'e');
  EXPECT_EQ(CauseOf(kChunked + "1;" + most + "\r\nx\r\n0\r\n\r\n"), "");
  EXPECT_EQ(CauseOf(kChunked + "1;" + most + "\r\nx\r\n0;\r\n\r\n"), "bad_request");
}

TEST(Parser, Fault15_ChunkEnds) {
  for (const char* body :
       {"1\r\nx0\r\n\r\n", "1\r\nx\n0\r\n\r\n", "1\r\nx\r0\r\n\r\n", "1\r\nxx\r\n0\r\n\r\n",
        "1\r\n\r\n0\r\n\r\n1", "0\r\n\n", "0\n\r\n", "0\r\nA\r\n\r\n", "0\r\n A: b\r\n\r\n"}) {
    EXPECT_EQ(CauseOf(kChunked + body), "bad_request") << Escape(body);
  }
}

TEST(Parser, Fault16_Trailers) {
  std::string lines;
  for (int i = 0; i < 100; ++i) lines += "A: b\r\n";
  EXPECT_EQ(CauseOf(kChunked + "0\r\n" + lines + "\r\n"), "");
  EXPECT_EQ(CauseOf(kChunked + "0\r\n" + lines + "A: b\r\n\r\n"), "headers_too_large");
  EXPECT_EQ(CauseOf(kChunked + "0\r\nA: " + std::string(60 * 1024, 'x') + "\r\n\r\n"),
            "headers_too_large");
  EXPECT_EQ(Play(kChunked + "0\r\ncontent-length: 5\r\nTE: x\r\nhost: b\r\nAuthorization: c\r\n"
                            "Set-Cookie: d\r\nX-Ok: e\r\nProxy-X: f\r\n\r\n"),
            "head POST / host=a ()\ntrailers (X-Ok: e)\nend\n");
}

TEST(Parser, Fault18_UpgradeToHttp2IsNeverForwarded) {
  EXPECT_EQ(Play(std::string(kGet) + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                                     "HTTP2-Settings: AAMA\r\n\r\n"),
            "head GET / host=a ()\nend\n");
  EXPECT_EQ(Play(std::string(kGet) + "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n"),
            "head GET / host=a ()\nend\n");
}

TEST(Parser, Fault19_Expectations) {
  ExpectRefused(Heads(kPost, {"Expect: x", "Expect: 100-continue, x",
                              "Expect: 100-continue\r\nExpect: 100-continue", "Expect:"}),
                "expectation_failed");
}

TEST(Parser, Fault51_BadResponses) {
  TranscriptOptions options;
  options.kind = Parser::Kind::kResponse;
  const std::string start = "HTTP/1.1 200 OK\r\n";
  std::string headers;
  for (int i = 0; i < 5000; ++i) headers += "A: b\r\n";
  for (const std::string& input :
       {std::string("garbage"), "HTTP/1.1 abc OK\r\n\r\n"s, "HTTP/1.1 20 OK\r\n\r\n"s,
        "HTTP/1.1 099 No\r\n\r\n"s,
        start + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        start + "Content-Length: -1\r\n\r\n", start + "Content-Length: x\r\n\r\n",
        start + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", start + headers + "\r\n",
        start + "A: " + std::string(200 * 1024, 'x') + "\r\n\r\n", start + "A: b\r\n c\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"s}) {
    EXPECT_EQ(CauseOf(input, options), "upstream_protocol_error") << Escape(input.substr(0, 100));
  }
}

}  // namespace
}  // namespace tulle::http1
