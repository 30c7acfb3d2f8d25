#include "net/http1/encoder.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace tulle::http1 {
namespace {

using namespace std::string_view_literals;  // NOLINT
using http::Head;
using http::HeaderMap;

class EncoderTest : public testing::Test {
 protected:
  EncoderTest() {
    request_.method = "GET";
    request_.authority = "a.test";
    request_.path = "/";
    response_.status = 200;
  }
  // What was written since the last call.
  std::string Written() {
    const std::string text = out_.ToString();
    out_.Clear();
    return text;
  }
  std::string Request(bool end) {
    EXPECT_TRUE(encoder_.WriteRequestHead(request_, end));
    return Written();
  }
  std::string Response(bool end, Encoder::ResponseOptions options = {}) {
    encoder_.WriteResponseHead(response_, end, options);
    return Written();
  }
  std::string Body(std::string_view text, bool end) {
    Buffer content(slab_);
    content.Append(text);
    encoder_.WriteBody(content, end);
    EXPECT_TRUE(content.empty());
    return Written();
  }

  Slab slab_;
  Arena arena_{slab_};
  Buffer out_{slab_};
  Encoder encoder_{out_};
  Head request_{arena_}, response_{arena_};
  HeaderMap trailers_{arena_};
};

TEST_F(EncoderTest, RequestHeadKeepsCaseOrderAndRepeats) {
  request_.path = "/a?b=c";
  request_.headers.Add("X-One", "1");
  request_.headers.Add("x-tWo", "a, b");
  request_.headers.Add("X-One", "");
  EXPECT_EQ(Request(true),
            "GET /a?b=c HTTP/1.1\r\nHost: a.test\r\nX-One: 1\r\nx-tWo: a, b\r\nX-One: \r\n\r\n");
}

TEST_F(EncoderTest, HostIsWrittenOnceAndIsTheAuthority) {
  request_.headers.Add("Host", "other.test");
  EXPECT_EQ(Request(true), "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
}

TEST_F(EncoderTest, ConnectNamesTheAuthority) {
  request_.method = "CONNECT";
  request_.authority = "a.test:443";
  request_.path = "";
  EXPECT_EQ(Request(true), "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n");
}

TEST_F(EncoderTest, MissingContentIsStatedWhereContentIsExpected) {
  for (const char* method : {"POST", "PUT", "PATCH"}) {
    request_.method = method;
    EXPECT_NE(Request(true).find("\r\nContent-Length: 0\r\n"), std::string::npos) << method;
  }
  for (const char* method : {"GET", "HEAD", "DELETE", "OPTIONS"}) {
    request_.method = method;
    EXPECT_EQ(Request(true).find("ontent-"), std::string::npos) << method;
  }
}

TEST_F(EncoderTest, StatedLengthIsWrittenOnceInTheCaseItCameIn) {
  request_.method = "POST";
  request_.content_length = 5;
  request_.headers.Add("content-LENGTH", "5");
  EXPECT_EQ(Request(false), "POST / HTTP/1.1\r\nHost: a.test\r\ncontent-LENGTH: 5\r\n\r\n");
  EXPECT_EQ(Body("he", false), "he");
  EXPECT_EQ(Body("llo", true), "llo");
  EXPECT_FALSE(encoder_.broken());
}

TEST_F(EncoderTest, LengthIsWhatWasStatedNotWhatAHeaderSays) {
  response_.content_length = 3;
  response_.headers.Add("Content-Length", "300");
  response_.headers.Add("Content-Length", "7");
  EXPECT_EQ(Response(false), "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n");
}

TEST_F(EncoderTest, LessContentThanStatedBreaksTheMessage) {
  response_.content_length = 5;
  Response(false);
  EXPECT_EQ(Body("four", true), "four");
  EXPECT_TRUE(encoder_.broken());
  // Also when ended by trailers, which this framing does not support.
  Response(false);
  EXPECT_FALSE(encoder_.broken());
  Body("four", false);
  trailers_.Add("t", "1");
  encoder_.WriteTrailers(trailers_);
  EXPECT_EQ(Written(), "");
  EXPECT_TRUE(encoder_.broken());
}

TEST_F(EncoderTest, Fault53_MoreContentThanStatedIsNotWritten) {
  response_.content_length = 3;
  Response(false);
  EXPECT_EQ(Body("ab", false), "ab");
  EXPECT_EQ(Body("HTTP/1.1 200 OK\r\n\r\n", false), "");
  EXPECT_TRUE(encoder_.broken());
}

TEST_F(EncoderTest, UnknownLengthIsChunked) {
  EXPECT_EQ(Response(false), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(Body("hello", false), "5\r\nhello\r\n");
  EXPECT_EQ(Body("", false), "");  // an empty chunk would end the message
  const std::string large(70'000, 'x');
  EXPECT_EQ(Body(large, false), "11170\r\n" + large + "\r\n");
  EXPECT_EQ(Body("0123456789abcdef", true), "10\r\n0123456789abcdef\r\n0\r\n\r\n");
  EXPECT_FALSE(encoder_.broken());
}

TEST_F(EncoderTest, ChunkedContentMayEndWithNothing) {
  request_.method = "POST";
  EXPECT_NE(Request(false).find("\r\nTransfer-Encoding: chunked\r\n"), std::string::npos);
  EXPECT_EQ(Body("", true), "0\r\n\r\n");
}

TEST_F(EncoderTest, Fault16_TrailersFollowTheLastChunkWithoutTheForbidden) {
  Response(false);
  EXPECT_EQ(Body("x", false), "1\r\nx\r\n");
  for (const char* name : {"Grpc-Status", "Content-Length", "Transfer-Encoding", "Host",
                           "Authorization", "TE", "Connection", "Set-Cookie", "X-After"}) {
    trailers_.Add(name, "1");
  }
  encoder_.WriteTrailers(trailers_);
  const std::string text = Written();
  EXPECT_TRUE(text.starts_with("0\r\nGrpc-Status: 1\r\n")) << text;
  EXPECT_TRUE(text.ends_with("X-After: 1\r\n\r\n")) << text;
  for (const char* name :
       {"Content-Length", "Transfer-Encoding", "Host", "Authorization", "TE:", "Connection"}) {
    EXPECT_EQ(text.find(name), std::string::npos) << name;
  }
}

TEST_F(EncoderTest, ResponsesWithoutContentHaveNone) {
  response_.status = 204;
  response_.content_length = 5;
  EXPECT_EQ(Response(false), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(Body("dropped", true), "");
  EXPECT_FALSE(encoder_.broken());
  response_.status = 304;
  EXPECT_EQ(Response(false), "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(Body("dropped", true), "");
  // Of unknown length: neither a length nor chunks.
  response_.content_length = -1;
  EXPECT_EQ(Response(false), "HTTP/1.1 304 Not Modified\r\n\r\n");
}

TEST_F(EncoderTest, ResponseToHeadStatesTheLengthAndHasNoContent) {
  response_.content_length = 1234;
  response_.headers.Add("content-length", "1234");
  EXPECT_EQ(Response(true, {.to_head = true}), "HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n");
  response_.content_length = -1;
  response_.headers.Clear();
  EXPECT_EQ(Response(false, {.to_head = true}), "HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_EQ(Body("dropped", false), "");
  trailers_.Add("t", "1");
  encoder_.WriteTrailers(trailers_);
  EXPECT_EQ(Written(), "");
}

TEST_F(EncoderTest, ResponseWithoutContentSaysSo) {
  EXPECT_EQ(Response(true), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(Body("", true), "");
  EXPECT_FALSE(encoder_.broken());
  EXPECT_EQ(Body("late", true), "");
  EXPECT_TRUE(encoder_.broken());
}

TEST_F(EncoderTest, HopByHopFieldsAreNotForwarded) {
  for (const char* name : {"Connection", "Keep-Alive", "Proxy-Connection", "TE",
                           "Transfer-Encoding", "Upgrade", "HTTP2-Settings"}) {
    response_.headers.Add(name, "x");
  }
  EXPECT_EQ(Response(true, {.close = true}),
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  request_.headers.Add("te", "trailers");
  EXPECT_EQ(Request(true),
            "GET / HTTP/1.1\r\nHost: a.test\r\nTE: trailers\r\nConnection: TE\r\n\r\n");
}

TEST_F(EncoderTest, Fault28_LineEndsInValuesBecomeBlanks) {
  constexpr std::string_view split = "a\r\nSet-Cookie: b\0c\rd\ne\x7f\x01\tf"sv;
  response_.headers.Add("X", split);
  EXPECT_EQ(Response(true),
            "HTTP/1.1 200 OK\r\nX: a  Set-Cookie: b c d e  \tf\r\nContent-Length: 0\r\n\r\n");
  request_.headers.Add("X", "a\r\n\r\nGET /evil HTTP/1.1");
  EXPECT_EQ(Request(true), "GET / HTTP/1.1\r\nHost: a.test\r\nX: a    GET /evil HTTP/1.1\r\n\r\n");
  EXPECT_NE(Response(false), "");  // chunked, for trailers
  trailers_.Add("t", "a\r\n\r\nHTTP/1.1 200 OK");
  encoder_.WriteTrailers(trailers_);
  EXPECT_EQ(Written().find("\r\n\r\nHTTP"), std::string::npos);
}

TEST_F(EncoderTest, Fault28_FieldsWithInvalidNamesAreDropped) {
  for (const std::string_view name :
       {"a b"sv, "a:b"sv, "a\r\nb"sv, "a\0b"sv, ""sv, "caf\xc3\xa9"sv}) {
    request_.headers.Add(name, "1");
  }
  EXPECT_EQ(Request(true), "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
}

TEST_F(EncoderTest, Fault28_InvalidStartLinesAreRefused) {
  const std::string_view good_method = request_.method, good_path = request_.path,
                         good_authority = request_.authority;
  for (const std::string_view bad : {"", "GET /x", "GET\r\n", "G\tT"}) {
    request_.method = bad;
    EXPECT_FALSE(encoder_.WriteRequestHead(request_, true)) << bad;
  }
  request_.method = good_method;
  for (const std::string_view bad : {"", "/a b", "/a\r\nX: y", "/\x7f", "/\tx"}) {
    request_.path = bad;
    EXPECT_FALSE(encoder_.WriteRequestHead(request_, true)) << bad;
  }
  request_.path = good_path;
  for (const std::string_view bad : {"a b", "a\r\nX: y", "a\nb"}) {
    request_.authority = bad;
    EXPECT_FALSE(encoder_.WriteRequestHead(request_, true)) << bad;
  }
  EXPECT_EQ(Written(), "");
  request_.authority = good_authority;
  EXPECT_TRUE(encoder_.WriteRequestHead(request_, true));
}

TEST_F(EncoderTest, StatusesHaveThreeDigitsAndTheirReason) {
  response_.status = 418;
  EXPECT_TRUE(Response(true).starts_with("HTTP/1.1 418 "));
  response_.status = 599;  // without a name: the blank stays (RFC 9112 4)
  EXPECT_TRUE(Response(true).starts_with("HTTP/1.1 599 "));
  response_.status = 12345;
  EXPECT_TRUE(Response(true).starts_with("HTTP/1.1 999 "));
}

TEST_F(EncoderTest, InterimResponsesHaveNoFraming) {
  response_.status = 103;
  response_.content_length = 7;
  response_.headers.Add("Link", "</s.css>");
  response_.headers.Add("Content-Length", "7");
  encoder_.WriteInterim(response_);
  EXPECT_EQ(Written(), "HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\n");
}

TEST_F(EncoderTest, ErrorRepliesAreWholeAndClose) {
  encoder_.WriteErrorReply({FailureKind::kUpgradeRequired, ""}, nullptr);
  const std::string upgrade = Written();
  EXPECT_TRUE(upgrade.starts_with("HTTP/1.1 426 ")) << upgrade;
  EXPECT_NE(upgrade.find("\r\nUpgrade: HTTP/1.1\r\nConnection: upgrade, close\r\n"),
            std::string::npos);
  response_.headers.Add("x-request-id", "7");
  response_.headers.Add("x-split", "a\r\nb: c");
  encoder_.WriteErrorReply({FailureKind::kRequestHeadersTimeout, ""}, &response_.headers);
  const std::string reply = Written();
  EXPECT_TRUE(reply.starts_with("HTTP/1.1 408 Request Timeout\r\nx-request-id: 7\r\nContent-"))
      << reply;
  const size_t body = reply.find("\r\n\r\n") + 4;
  EXPECT_NE(reply.find("Content-Length: " + std::to_string(reply.size() - body) + "\r\n"),
            std::string::npos);
  EXPECT_NE(reply.find("\r\nConnection: close\r\n"), std::string::npos);
}

}  // namespace
}  // namespace tulle::http1
