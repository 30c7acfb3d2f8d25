#include "control-plane/insight/failure_book.h"

#include <gtest/gtest.h>

#include <string>

namespace tulle::insight {
namespace {

constexpr int64_t kNow = 1'800'000'000;
constexpr char kWeb[] = "spiffe://m/ns/shop/sa/web";
constexpr char kCart[] = "spiffe://m/ns/shop/sa/cart";
constexpr char kService[] = "cart.shop.svc.cluster.local";

v1::RequestRecord Failed(const std::string& id, const std::string& cause, uint32_t status = 503) {
  v1::RequestRecord record;
  record.set_request_id(id);
  record.set_cause(cause);
  record.set_status(status);
  record.set_service(kService);
  record.set_source(kWeb);
  record.set_started_micros(kNow * 1'000'000);
  return record;
}

TEST(FailureBook, CountsByCauseAndKeepsAnExample) {
  FailureBook book;
  book.Add(Failed("1", "connect_failed"), kWeb, kNow);
  book.Add(Failed("2", "connect_failed"), kWeb, kNow);
  book.Add(Failed("3", "overflow"), kWeb, kNow);
  const auto groups = book.Since(kNow - 60);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].cause.cause, "connect_failed");
  EXPECT_EQ(groups[0].count, 2u);
  EXPECT_EQ(groups[0].example->request_id(), "2");
  EXPECT_EQ(groups[0].last_micros, kNow * 1'000'000);
}

TEST(FailureBook, ARequestThatBothSidesReportCountsAsTheSideSaysThatKnowsWhy) {
  for (const bool caller_first : {true, false}) {
    FailureBook book;
    const v1::RequestRecord as_caller = Failed("1", "");
    const v1::RequestRecord as_service = Failed("1", "connect_failed");
    book.Add(caller_first ? as_caller : as_service, caller_first ? kWeb : kCart, kNow);
    book.Add(caller_first ? as_service : as_caller, caller_first ? kCart : kWeb, kNow);
    const auto groups = book.Since(kNow);
    ASSERT_EQ(groups.size(), 1u) << caller_first;
    EXPECT_EQ(groups[0].cause.cause, "connect_failed");
    EXPECT_EQ(groups[0].count, 1u);
    EXPECT_EQ(book.size(), 2u) << "both records are kept: they are two hops";
  }
}

TEST(FailureBook, ARouteThatChoseAnotherServiceMakesOneRequestOfBothReports) {
  FailureBook book;
  v1::RequestRecord as_caller = Failed("1", "");
  as_caller.set_service("cart-v1.shop.svc.cluster.local");
  as_caller.set_destination(kCart);
  v1::RequestRecord as_service = Failed("1", "denied");
  as_service.set_destination(kCart);
  book.Add(as_caller, kWeb, kNow);
  book.Add(as_service, kCart, kNow);
  // The same request went on to another workload as well.
  v1::RequestRecord elsewhere = as_caller;
  elsewhere.set_destination("spiffe://m/ns/shop/sa/stock");
  book.Add(elsewhere, kWeb, kNow);
  const auto groups = book.Since(kNow);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].count + groups[1].count, 2u);
}

TEST(FailureBook, AReportInTheNextMinuteIsOfTheSameRequest) {
  FailureBook book;
  book.Add(Failed("1", ""), kWeb, kNow);
  book.Add(Failed("1", "connect_failed"), kCart, kNow + FailureBook::kSlotSeconds);
  const auto groups = book.Since(kNow);
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].cause.cause, "connect_failed");
  EXPECT_EQ(groups[0].count, 1u);
}

TEST(FailureBook, RequestsWithoutAnIdAreEachCounted) {
  FailureBook book;
  book.Add(Failed("", "overflow"), kWeb, kNow);
  book.Add(Failed("", "overflow"), kWeb, kNow);
  EXPECT_EQ(book.Since(kNow)[0].count, 2u);
}

TEST(FailureBook, AnHourIsKept) {
  FailureBook book;
  book.Add(Failed("1", "overflow"), kWeb, kNow);
  book.AddLeftOut(7, kWeb, kNow);
  EXPECT_EQ(book.Since(kNow - 3600).size(), 1u);
  EXPECT_EQ(book.LeftOutSince(kNow - 3600), 7u);
  book.Add(Failed("2", "denied", 403), kWeb, kNow + 3700);
  const auto groups = book.Since(kNow - 3600);
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].cause.cause, "denied");
  EXPECT_EQ(book.LeftOutSince(kNow - 3600), 0u);
}

TEST(FailureBook, OneReporterCannotTakeTheRoomOfOthers) {
  FailureBook book;
  book.Add(Failed("cart", "overflow"), kCart, kNow);
  for (size_t i = 0; i < 3 * FailureBook::kMostOfOne; ++i)
    book.Add(Failed("web" + std::to_string(i), "cause" + std::to_string(i)), kWeb, kNow);
  EXPECT_EQ(book.size(), FailureBook::kMostOfOne + 1);
  v1::RequestFilter filter;
  filter.set_id("cart");
  EXPECT_EQ(book.Find(filter).size(), 1u);
  const auto groups = book.Since(kNow);
  EXPECT_LE(groups.size(), FailureBook::kMostGroupsOfOne + 2);
  EXPECT_EQ(groups[0].cause.service, "other");
  EXPECT_EQ(groups[0].count, 3 * FailureBook::kMostOfOne - FailureBook::kMostGroupsOfOne);
}

TEST(FailureBook, BytesAreBounded) {
  FailureBook book;
  for (int i = 0; i < 4000; ++i) {
    v1::RequestRecord record = Failed(std::to_string(i), "overflow");
    record.set_detail(std::string(64 * 1024, 'x'));
    book.Add(std::move(record), std::to_string(i % 50), kNow);
  }
  EXPECT_LE(book.bytes(), FailureBook::kMostBytes);
  EXPECT_GT(book.size(), 50u);
  EXPECT_EQ(book.Since(kNow)[0].count, 4000u);
}

TEST(FailureBook, LargeRecordsOfOneReporterLeaveThoseOfOthers) {
  FailureBook book;
  book.Add(Failed("honest", "denied"), kCart, kNow);
  for (int i = 0; i < 200; ++i) {
    v1::RequestRecord record = Failed(std::to_string(i), "overflow");
    record.set_detail(std::string(256 * 1024, 'x'));
    book.Add(std::move(record), kWeb, kNow);
  }
  EXPECT_LE(book.bytes(), FailureBook::kMostBytesOfOne + 4096);
  v1::RequestFilter filter;
  filter.set_id("honest");
  EXPECT_EQ(book.Find(filter).size(), 1u);
}

TEST(FailureBook, OneReporterCannotMakeTheNumbersMeaningless) {
  FailureBook book;
  for (int i = 0; i < 3; ++i) book.AddLeftOut(UINT32_MAX, kWeb, kNow);
  EXPECT_EQ(book.LeftOutSince(kNow), FailureBook::kMostLeftOutOfOne);
  book.AddLeftOut(5, kCart, kNow);
  EXPECT_EQ(book.LeftOutSince(kNow), FailureBook::kMostLeftOutOfOne + 5);
  book.AddLeftOut(UINT32_MAX, kWeb, kNow + 60);
  EXPECT_EQ(book.LeftOutSince(kNow + 60), FailureBook::kMostLeftOutOfOne) << "of a slot";

  for (uint64_t i = 0; i < FailureBook::kMostCountedOfOne + 10; ++i)
    book.Add(Failed("", "overflow"), kCart, kNow + 120);
  EXPECT_EQ(book.Since(kNow + 120)[0].count, FailureBook::kMostCountedOfOne);
  EXPECT_EQ(book.LeftOutSince(kNow + 120), 10u) << "what is not counted is told";
}

// It stays when 1,000 newer records have come.
TEST(FailureBook, ALargeExampleIsKeptWithoutItsDecisions) {
  v1::RequestRecord record = Failed("1", "overflow");
  for (int i = 0; i < 100; ++i) record.add_decisions()->set_reason(std::string(200, 'x'));
  FailureBook book;
  book.Add(record, kWeb, kNow);
  EXPECT_EQ(book.Since(kNow)[0].example->decisions_size(), 0);
  EXPECT_EQ(book.Since(kNow)[0].example->cause(), "overflow");
  EXPECT_EQ(book.Find({})[0].decisions_size(), 100);
  record.mutable_decisions()->DeleteSubrange(5, 95);
  book.Add(record, kWeb, kNow);
  book.Add(Failed("2", "denied"), kWeb, kNow);
  record.set_request_id("3");
  book.Add(record, kWeb, kNow);
  EXPECT_EQ(book.Since(kNow)[0].example->decisions_size(), 5);
}

TEST(FailureBook, FindsTheNewestFirst) {
  FailureBook book;
  book.Add(Failed("1", "overflow"), kWeb, kNow);
  book.Add(Failed("2", "overflow"), kWeb, kNow);
  v1::RequestFilter filter;
  filter.set_service("cart.shop");
  const auto found = book.Find(filter);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].request_id(), "2");
  filter.set_service("car");
  EXPECT_TRUE(book.Find(filter).empty());
}

}  // namespace
}  // namespace tulle::insight
