#include "net/http2/frame_scan.h"

#include <gtest/gtest.h>

#include <string>

#include "net/http2/testing/frames.h"

namespace tulle::http2 {
namespace {

using namespace testing;  // NOLINT: the whole test speaks of frames

// The DATA frames in bytes that come in pieces of `size`: "stream@offset after the head", "!" for
// END_STREAM.
std::string Found(std::string_view bytes, size_t size, bool preface) {
  FrameScan frames(preface);
  std::string found;
  for (size_t start = 0; start < bytes.size(); start += size) {
    const std::string_view piece = bytes.substr(start, size);
    for (size_t at = 0; frames.Next(piece, at);) {
      found += std::to_string(frames.stream()) + "@" + std::to_string(start + at) +
               (frames.ends_stream() ? "! " : " ");
    }
  }
  return found;
}

TEST(FrameScanTest, AreFoundHoweverTheInputIsCut) {
  const std::string bytes = std::string(kPreface) + Frame(kSettings, 0, 0, "") +
                            Frame(kHeaders, kEndHeaders, 5, "abc") + Frame(kData, 0, 5, "body") +
                            Frame(kPing, 0, 0, "12345678") +
                            Frame(kData, kEndStream, 0x7fffff01, "");
  const std::string whole = Found(bytes, bytes.size(), true);
  EXPECT_EQ(whole, "5@54 2147483393@84! ");
  for (size_t size = 1; size < bytes.size(); ++size) EXPECT_EQ(Found(bytes, size, true), whole);
}

TEST(FrameScanTest, ResetsOfTheSamePieceAreSeen) {
  FrameScan frames(false);
  const std::string data = Frame(kData, 0, 1, "x");
  const std::string piece = data + Frame(kRstStream, 0, 1, Number32(8)) + data;
  size_t at = 0;
  frames.Begin();
  ASSERT_TRUE(frames.Next(piece, at));
  EXPECT_FALSE(frames.after_reset());
  ASSERT_TRUE(frames.Next(piece, at));
  EXPECT_TRUE(frames.after_reset());
  EXPECT_FALSE(frames.Next(piece, at));
  at = 0;
  frames.Begin();
  ASSERT_TRUE(frames.Next(data, at));
  EXPECT_FALSE(frames.after_reset());
}

TEST(FrameScanTest, AServersInputHasNoPreface) {
  EXPECT_EQ(Found(Frame(kData, 0, 3, "x"), 100, false), "3@9 ");
}

}  // namespace
}  // namespace tulle::http2
