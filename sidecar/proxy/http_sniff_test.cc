#include "sidecar/proxy/http_sniff.h"

#include <gtest/gtest.h>

#include <string>

namespace tulle::proxy {
namespace {

// At every shorter length the verdict is open: no byte is decided upon too early.
void ExpectOnlyAtTheEnd(std::string_view text, HttpVerdict verdict) {
  for (size_t i = 0; i < text.size(); ++i)
    EXPECT_EQ(SniffHttp(text.substr(0, i)), HttpVerdict::kNeedMore) << text.substr(0, i);
  EXPECT_EQ(SniffHttp(text), verdict) << text;
}

TEST(SniffHttp, KnowsRequestLines) {
  ExpectOnlyAtTheEnd("GET / HTTP/1.1\r\n", HttpVerdict::kHttp11);
  ExpectOnlyAtTheEnd("PROPFIND /a%20b?c HTTP/1.0\n", HttpVerdict::kHttp10);
  ExpectOnlyAtTheEnd("M-SEARCH * HTTP/1.1\r\n", HttpVerdict::kHttp11);
  ExpectOnlyAtTheEnd("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HttpVerdict::kHttp2);
  ExpectOnlyAtTheEnd("PRINT / HTTP/1.1\r\n", HttpVerdict::kHttp11);
}

TEST(SniffHttp, KnowsWhatIsNot) {
  ExpectOnlyAtTheEnd("*", HttpVerdict::kNotHttp);       // Redis
  ExpectOnlyAtTheEnd("PING\r", HttpVerdict::kNotHttp);  // Redis, typed
  ExpectOnlyAtTheEnd("GET key\r\n", HttpVerdict::kNotHttp);
  ExpectOnlyAtTheEnd("HELO example\r\n", HttpVerdict::kNotHttp);
  ExpectOnlyAtTheEnd("SSH-2", HttpVerdict::kNotHttp);
  ExpectOnlyAtTheEnd(std::string_view("\0", 1), HttpVerdict::kNotHttp);
  EXPECT_EQ(SniffHttp("get / HTTP/1.1\r\n"), HttpVerdict::kNotHttp);
}

TEST(SniffHttp, WaitsForABoundedLineOnly) {
  const std::string method(21, 'A');
  EXPECT_EQ(SniffHttp(method), HttpVerdict::kNotHttp);
  const std::string line = "GET /" + std::string(8 * 1024, 'a');
  EXPECT_EQ(SniffHttp(line.substr(0, 8 * 1024 - 1)), HttpVerdict::kNeedMore);
  EXPECT_EQ(SniffHttp(line), HttpVerdict::kHttp11);
}

}  // namespace
}  // namespace tulle::proxy
