#include "control-plane/insight/request_records.h"

#include <gtest/gtest.h>

#include <string>

namespace tulle::insight {
namespace {

constexpr int64_t kNow = 1'800'000'000'000'000;
constexpr char kWeb[] = "spiffe://m/ns/shop/sa/web";
constexpr char kCart[] = "spiffe://m/ns/shop/sa/cart";

Reporter Web() {
  return {kWeb, "web-1", [](const std::string& host) { return host == "web.shop.svc.x"; }};
}

void AddStatuses(v1::RequestFilter& filter, uint32_t lowest, uint32_t highest) {
  v1::StatusRange& range = *filter.add_statuses();
  range.set_lowest(lowest);
  range.set_highest(highest);
}

TEST(RequestRecords, ASidecarSpeaksForItselfAlone) {
  v1::RequestRecord outbound;
  outbound.set_outbound(true);
  outbound.set_source(kCart);
  outbound.set_destination(kCart);
  outbound.set_service("cart.shop.svc.x");
  outbound.set_proxy("cart-1");
  MakeSafe(outbound, Web(), kNow);
  EXPECT_EQ(outbound.source(), kWeb);
  EXPECT_EQ(outbound.destination(), kCart);
  EXPECT_EQ(outbound.service(), "cart.shop.svc.x");
  EXPECT_EQ(outbound.proxy(), "web-1");

  v1::RequestRecord inbound;
  inbound.set_source(kCart);
  inbound.set_destination(kCart);
  inbound.set_service("cart.shop.svc.x");
  MakeSafe(inbound, Web(), kNow);
  EXPECT_EQ(inbound.source(), kCart);
  EXPECT_EQ(inbound.destination(), kWeb);
  EXPECT_EQ(inbound.service(), "") << "it does not serve this one";
}

TEST(RequestRecords, TextsAreCutAndHaveNoControlCharacters) {
  v1::RequestRecord record;
  record.set_path("/\x1b[2J\n" + std::string(5000, 'x'));
  record.set_started_micros(kNow + 1);
  for (int i = 0; i < 500; ++i) record.add_decisions()->set_reason("no\tmatch");
  MakeSafe(record, Web(), kNow);
  EXPECT_EQ(record.path().size(), kLongestText);
  EXPECT_EQ(record.path().substr(0, 6), "/ [2J ");
  EXPECT_EQ(record.started_micros(), kNow);
  ASSERT_EQ(record.decisions_size(), kMostDecisions);
  EXPECT_EQ(record.decisions(0).reason(), "no match");
}

TEST(RequestRecords, ARecordHasABoundedSizeWhateverWasSent) {
  v1::RequestRecord record;
  const std::string long_text(100'000, 'x');
  record.set_path(long_text);
  for (int i = 0; i < 100; ++i) {
    v1::Decision& decision = *record.add_decisions();
    decision.set_subject(long_text);
    decision.set_reason(long_text);
  }
  // A field that this version does not know.
  ASSERT_TRUE(record.MergeFromString("\xfa\x3f\xa0\x8d\x06" + long_text));
  MakeSafe(record, Web(), kNow);
  EXPECT_EQ(record.decisions_size(), 8);
  EXPECT_LT(BytesOf(record), 16u * 1024);
}

TEST(RequestRecords, ACharacterIsNotCutInHalf) {
  EXPECT_EQ(SafeText("ab\xc3\xa9", 3), "ab");
  EXPECT_EQ(SafeText("ab\xc3\xa9", 4), "ab\xc3\xa9");
}

struct Case {
  const char* what;
  void (*set)(v1::RequestFilter&);
  bool matches;
};

TEST(RequestRecords, EachPropertyOfAFilterMustMatch) {
  v1::RequestRecord record;
  record.set_request_id("r1");
  record.set_trace_id("t1");
  record.set_service("cart.shop.svc.x");
  record.set_method("GET");
  record.set_path("/items/1");
  record.set_source(kWeb);
  record.set_cluster("outbound|80||cart.shop.svc.x");
  record.set_status(404);
  record.set_ended(2500);
  const Case kCases[] = {
      {"nothing", [](v1::RequestFilter&) {}, true},
      {"request", [](v1::RequestFilter& f) { f.set_id("r1"); }, true},
      {"trace", [](v1::RequestFilter& f) { f.set_id("t1"); }, true},
      {"another", [](v1::RequestFilter& f) { f.set_id("r2"); }, false},
      {"service", [](v1::RequestFilter& f) { f.set_service("cart"); }, true},
      {"service", [](v1::RequestFilter& f) { f.set_service("cart.shop"); }, true},
      {"part of a label", [](v1::RequestFilter& f) { f.set_service("cart.sh"); }, false},
      {"method", [](v1::RequestFilter& f) { f.set_method("POST"); }, false},
      {"path", [](v1::RequestFilter& f) { f.set_path_prefix("/items"); }, true},
      {"path", [](v1::RequestFilter& f) { f.set_path_prefix("/users"); }, false},
      {"source", [](v1::RequestFilter& f) { f.set_source(kWeb); }, true},
      {"source", [](v1::RequestFilter& f) { f.set_source("web.shop"); }, true},
      {"source", [](v1::RequestFilter& f) { f.set_source("web.bank"); }, false},
      {"source", [](v1::RequestFilter& f) { f.set_source("we"); }, false},
      {"failed", [](v1::RequestFilter& f) { f.set_failed_only(true); }, false},
      {"status", [](v1::RequestFilter& f) { AddStatuses(f, 500, 599); }, false},
      {"status", [](v1::RequestFilter& f) { AddStatuses(f, 400, 403); }, false},
      {"status",
       [](v1::RequestFilter& f) {
         AddStatuses(f, 500, 599);
         AddStatuses(f, 404, 404);
       },
       true},
      {"time", [](v1::RequestFilter& f) { f.set_at_least_milliseconds(2); }, true},
      {"time", [](v1::RequestFilter& f) { f.set_at_least_milliseconds(3); }, false},
      {"time", [](v1::RequestFilter& f) { f.set_at_most_milliseconds(1); }, false},
      {"time", [](v1::RequestFilter& f) { f.set_at_most_milliseconds(3); }, true},
  };
  for (const Case& each : kCases) {
    v1::RequestFilter filter;
    each.set(filter);
    EXPECT_EQ(Matches(filter, record), each.matches)
        << each.what << ": " << filter.ShortDebugString();
  }
}

TEST(RequestRecords, HeadersOfStrangersAreBoundedAndHarmless) {
  v1::RequestRecord record;
  for (int i = 0; i < 1000; ++i) {
    v1::ShownHeader& header = *record.add_request_headers();
    header.set_name("n\x1b[2J" + std::string(2000, 'n'));
    header.set_value("v\n" + std::string(2000, 'v'));
  }
  MakeSafe(record, {kWeb, "web-1", [](const std::string&) { return true; }}, 1);
  ASSERT_EQ(record.request_headers_size(), kMostHeaders);
  for (const v1::ShownHeader& header : record.request_headers()) {
    EXPECT_EQ(header.name().size(), kLongestText);
    EXPECT_TRUE(header.name().starts_with("n [2J")) << header.name();
    EXPECT_TRUE(header.value().starts_with("v v"));
  }
}

TEST(RequestRecords, FailedIsWhatTheSidecarSays) {
  v1::RequestFilter failed;
  failed.set_failed_only(true);
  v1::RequestRecord record;
  record.set_status(503);
  EXPECT_FALSE(Matches(failed, record));
  record.set_failed(true);
  record.set_status(200);
  EXPECT_TRUE(Matches(failed, record)) << "such as UNAVAILABLE of gRPC";
}

}  // namespace
}  // namespace tulle::insight
