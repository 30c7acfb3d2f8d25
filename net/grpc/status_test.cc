#include "net/grpc/status.h"

#include <gtest/gtest.h>

#include "net/base/arena.h"
#include "net/base/slab.h"

namespace tulle::grpc {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

TEST(Status, MessagesArePercentEncoded) {
  EXPECT_EQ(EncodeMessage("a b\xc3\xa9%\n"), "a b%C3%A9%25%0A");
  EXPECT_EQ(DecodeMessage("a%20b%C3%A9"), "a b\xc3\xa9");
  EXPECT_EQ(DecodeMessage("%zz%4"), "%zz%4");
  for (int c = 0; c < 256; ++c) {
    const std::string one(1, static_cast<char>(c));
    EXPECT_EQ(DecodeMessage(EncodeMessage(one)), one);
  }
}

TEST(Status, Fault77_TimeoutsAreParsedStrictly) {
  EXPECT_EQ(ParseTimeout("1996628u"), nanoseconds(1'996'628'000));
  EXPECT_EQ(ParseTimeout("5S"), seconds(5));
  EXPECT_EQ(ParseTimeout("2H"), hours(2));
  EXPECT_EQ(ParseTimeout("7m"), milliseconds(7));
  EXPECT_GT(ParseTimeout("99999999H"), hours(24 * 365 * 100));
  for (const char* bad : {"", "S", "5", "5s", "-5S", "+5S", "123456789S", "5 S", "5.0S", "5SS"})
    EXPECT_FALSE(ParseTimeout(bad).has_value()) << bad;
}

TEST(Status, TimeoutsAreWrittenInTheFinestUnitThatFits) {
  EXPECT_EQ(FormatTimeout(milliseconds(5)), "5000000n");
  EXPECT_EQ(FormatTimeout(seconds(15)), "15000000u");
  EXPECT_EQ(FormatTimeout(hours(24)), "86400000m");
  EXPECT_EQ(FormatTimeout(nanoseconds(-3)), "1n");
}

TEST(Status, FromAndToTrailers) {
  Slab slab;
  Arena arena(slab);
  http::HeaderMap fields(arena);
  EXPECT_FALSE(StatusFrom(fields).has_value());
  AddStatus({Code::kNotFound, "no \xc3\xa9"}, fields);
  EXPECT_EQ(fields.Get(http::HeaderId::kGrpcStatus), "5");
  EXPECT_EQ(fields.Get(http::HeaderId::kGrpcMessage), "no %C3%A9");
  EXPECT_EQ(StatusFrom(fields)->code, Code::kNotFound);
  EXPECT_EQ(StatusFrom(fields)->message, "no \xc3\xa9");
  fields.Set(http::HeaderId::kGrpcStatus, "99");
  EXPECT_EQ(StatusFrom(fields)->code, Code::kUnknown);
  fields.Set(http::HeaderId::kGrpcStatus, "0x");
  EXPECT_EQ(StatusFrom(fields)->code, Code::kUnknown);
}

TEST(Status, DetailsAreBytes) {
  Slab slab;
  Arena arena(slab);
  http::HeaderMap fields(arena);
  fields.Set(http::HeaderId::kGrpcStatus, "8");
  EXPECT_EQ(StatusFrom(fields)->details, "");
  for (const char* text : {"CAgSBGJ1c3k=", "CAgSBGJ1c3k"}) {  // padded or not
    fields.Set("grpc-status-details-bin", text);
    EXPECT_EQ(StatusFrom(fields)->details,
              "\x08\x08\x12\x04"
              "busy");
  }
  fields.Set("grpc-status-details-bin", "not base64!");
  EXPECT_EQ(StatusFrom(fields)->details, "");
  const std::string huge(1'000'000, 'A');
  fields.Set("grpc-status-details-bin", huge);
  EXPECT_EQ(StatusFrom(fields)->details, "");
}

TEST(Status, Fault77_HttpStatusesMap) {
  EXPECT_EQ(CodeOfHttp(404), Code::kUnimplemented);
  EXPECT_EQ(CodeOfHttp(503), Code::kUnavailable);
  EXPECT_EQ(CodeOfHttp(200), Code::kUnknown);
  EXPECT_EQ(HttpOfCode(*ParseCode("0")), 200);
  EXPECT_EQ(HttpOfCode(*ParseCode("13")), 500);
  EXPECT_EQ(HttpOfCode(*ParseCode("14")), 503);
  EXPECT_EQ(HttpOfCode(*ParseCode("16")), 401);
  EXPECT_FALSE(ParseCode("17").has_value());
  EXPECT_FALSE(ParseCode("").has_value());
  EXPECT_EQ(StatusOfFailure({FailureKind::kUpstreamRefusedStream}).code, Code::kUnavailable);
}

}  // namespace
}  // namespace tulle::grpc
