#include "telemetry/trace_context.h"

#include <gtest/gtest.h>

#include <string>

namespace tulle::telemetry {
namespace {

constexpr std::string_view kGood = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

std::string Written(const TracePoint& context) {
  std::string text(kTraceparentSize, ' ');
  WriteTraceparent(context, std::span<char, kTraceparentSize>(text.data(), kTraceparentSize));
  return text;
}

TEST(Traceparent, IsReadAndWrittenAlike) {
  const auto context = ParseTraceparent(kGood);
  ASSERT_TRUE(context.has_value());
  EXPECT_EQ(context->trace_high, 0x0af7651916cd43ddu);
  EXPECT_EQ(context->trace_low, 0x8448eb211c80319cu);
  EXPECT_EQ(context->span, 0xb7ad6b7169203331u);
  EXPECT_TRUE(context->sampled());
  EXPECT_EQ(Written(*context), kGood);
}

TEST(TraceId, IsReadAndWrittenAlike) {
  TracePoint context;
  ASSERT_TRUE(ReadTraceId(kGood.substr(3, 32), context));
  char written[32];
  WriteTraceId(context, written);
  EXPECT_EQ(std::string_view(written, 32), kGood.substr(3, 32));
  EXPECT_FALSE(ReadTraceId(kGood.substr(3, 31), context));
  EXPECT_FALSE(ReadTraceId(kGood.substr(4, 32), context));
}

TEST(Traceparent, OfALaterVersionTheFirstPartCounts) {
  const std::string later = "cc" + std::string(kGood.substr(2));
  EXPECT_TRUE(ParseTraceparent(later).has_value());
  EXPECT_TRUE(ParseTraceparent(later + "-what-the-future-will-be-like").has_value());
  EXPECT_FALSE(ParseTraceparent(later + ".what").has_value());
  EXPECT_EQ(Written(*ParseTraceparent(later)), kGood);
}

TEST(Traceparent, Fault86_WhatIsNotValidBeginsANewTrace) {
  const std::string good(kGood);
  for (const std::string& bad : std::initializer_list<std::string>{
           std::string(),
           good.substr(1),
           good + "-",
           good + "-00",
           "ff" + good.substr(2),
           "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
           "00-00000000000000000000000000000000-b7ad6b7169203331-01",
           "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
           "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
           "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333g-01",
           "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0 ",
           std::string(1000000, '0'),
       }) {
    EXPECT_FALSE(ParseTraceparent(bad).has_value()) << bad.substr(0, 80);
  }
}

TEST(Tracestate, HasItsGrammar) {
  for (const char* good : {"a=1", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "a=1, b=2 ,c=3,",
                           "fw529a3039@dt=FfMTgz;x:y", ""}) {
    EXPECT_TRUE(IsTracestate(good)) << good;
  }
  for (const char* bad : {"A=1", "a", "=1", "a=", "a=b=c", "a=\x01", "a b=1"}) {
    EXPECT_FALSE(IsTracestate(bad)) << bad;
  }
}

TEST(Tracestate, Fault86_IsBounded) {
  std::string members;
  for (int i = 0; i < 32; ++i) members += "k" + std::to_string(i) + "=v,";
  EXPECT_TRUE(IsTracestate(members));
  EXPECT_FALSE(IsTracestate(members + "one=more"));
  EXPECT_FALSE(IsTracestate("a=" + std::string(257, 'v')));
}

}  // namespace
}  // namespace tulle::telemetry
