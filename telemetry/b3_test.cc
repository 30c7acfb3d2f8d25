#include "telemetry/b3.h"

#include <gtest/gtest.h>

#include <string>

namespace tulle::telemetry {
namespace {

constexpr uint64_t kHigh = 0x80f198ee56343ba8, kLow = 0x64fe8b2a57d3eff7;
constexpr uint64_t kSpan = 0xe457b5a2e4d86bd1, kParent = 0x05e3ac9a4f6e3b90;
const std::string kTrace = "80f198ee56343ba864fe8b2a57d3eff7";
const std::string kIds = kTrace + "-e457b5a2e4d86bd1";
const std::string kWhole = kIds + "-1-05e3ac9a4f6e3b90";

std::string Written(const B3Point& context) {
  char text[kLongestB3];
  return {text, WriteB3(context, text)};
}

TEST(B3, ASingleHeaderIsReadAndWrittenAlike) {
  EXPECT_EQ(ParseB3(kWhole), (B3Point{kHigh, kLow, kSpan, kParent, true, B3Decision::kSampled}));
  for (const std::string& text :
       {kIds, kIds + "-0", kIds + "-1", kIds + "-d", kWhole, kWhole.substr(16)}) {
    const auto context = ParseB3(text);
    ASSERT_TRUE(context.has_value()) << text;
    EXPECT_EQ(Written(*context), text);
  }
}

TEST(B3, IdsOf64BitsStayShort) {
  EXPECT_EQ(ParseB3(kIds.substr(16)), (B3Point{0, kLow, kSpan, 0, false, B3Decision::kDeferred}));
}

TEST(B3, ADecisionMayStandAlone) {
  EXPECT_EQ(ParseB3("0"), (B3Point{.decision = B3Decision::kNotSampled}));
  EXPECT_EQ(ParseB3("1"), (B3Point{.decision = B3Decision::kSampled}));
  EXPECT_EQ(ParseB3("d"), (B3Point{.decision = B3Decision::kDebug}));
  EXPECT_EQ(ParseB3(B3Fields{.sampled = "0"}), (B3Point{.decision = B3Decision::kNotSampled}));
  EXPECT_EQ(ParseB3(B3Fields{.flags = "1"}), (B3Point{.decision = B3Decision::kDebug}));
}

TEST(B3, SeveralHeadersAreOneContext) {
  const B3Fields fields{kTrace, "e457b5a2e4d86bd1", "05e3ac9a4f6e3b90", "1", ""};
  EXPECT_EQ(ParseB3(fields), ParseB3(kWhole));
  B3Fields one = fields;
  one.sampled = "true";
  EXPECT_EQ(ParseB3(one)->decision, B3Decision::kSampled);
  one.sampled = "false";
  EXPECT_EQ(ParseB3(one)->decision, B3Decision::kNotSampled);
  one.sampled = "";
  EXPECT_EQ(ParseB3(one)->decision, B3Decision::kDeferred);
  one.flags = "1";
  EXPECT_EQ(ParseB3(one)->decision, B3Decision::kDebug);
}

TEST(B3, Fault86_WhatIsNotValidIsNotRead) {
  const std::string zero(16, '0');
  for (const std::string& bad : std::initializer_list<std::string>{
           "",
           "2",
           "-",
           kTrace,
           kTrace + "-",
           kIds + "-",
           kIds + "-2",
           kIds + "-1-",
           kIds + "-1-05e3ac9a4f6e3b9",
           kIds + "-1-" + zero,
           kWhole + "0",
           kWhole + "-",
           kTrace.substr(1) + "-e457b5a2e4d86bd1",
           zero + zero + "-e457b5a2e4d86bd1",
           kTrace + "-" + zero,
           "80F198EE56343BA864FE8B2A57D3EFF7-e457b5a2e4d86bd1-1",
           kTrace + "-e457b5a2e4d86bdg",
           std::string(1000000, '1'),
       }) {
    EXPECT_FALSE(ParseB3(bad).has_value()) << bad.substr(0, 90);
  }
  const B3Fields good{kTrace, "e457b5a2e4d86bd1", "", "1", ""};
  const auto with = [&](std::string_view B3Fields::*field, std::string_view value) {
    B3Fields changed = good;
    changed.*field = value;
    return ParseB3(changed).has_value();
  };
  EXPECT_TRUE(with(&B3Fields::sampled, "0"));
  EXPECT_FALSE(with(&B3Fields::sampled, "yes"));
  EXPECT_FALSE(with(&B3Fields::sampled, "d"));
  EXPECT_FALSE(with(&B3Fields::flags, "3"));
  EXPECT_FALSE(with(&B3Fields::trace, ""));
  EXPECT_FALSE(with(&B3Fields::trace, "1"));
  EXPECT_FALSE(with(&B3Fields::span, ""));
  EXPECT_FALSE(with(&B3Fields::span, zero));
  EXPECT_FALSE(with(&B3Fields::parent, zero));
  EXPECT_FALSE(ParseB3(B3Fields{}).has_value());
}

}  // namespace
}  // namespace tulle::telemetry
