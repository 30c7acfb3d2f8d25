#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "net/base/socket_address.h"
#include "sidecar/recorder/flight_recorder.h"
#include "sidecar/recorder/record_message.h"
#include "sidecar/recorder/recorded_files.h"

namespace tulle::recorder {
namespace {

using insight::v1::RequestFilter;
using insight::v1::RequestRecord;

constexpr char kWeb[] = "spiffe://mesh/ns/shop/sa/web";
constexpr char kCart[] = "spiffe://mesh/ns/shop/sa/cart";
constexpr int64_t kMillisecond = 1'000'000;

struct Request {
  int64_t started_ms = 1;
  uint64_t lasted_ms = 0;
  uint16_t status = 200;
  uint16_t marks = kOutbound;
  std::string_view id = "id-1";
  std::string_view source = {};
  std::string_view service = "cart.shop.svc.cluster.local";
  std::string_view path = "/items/1";
};

uint64_t Write(Ring& ring, const Request& request) {
  return ring.Write([&](RecordWriter& writer) {
    Numbers numbers;
    numbers.wall_started = request.started_ms * kMillisecond;
    numbers.ended = request.lasted_ms * kMillisecond;
    numbers.status = request.status;
    numbers.marks = request.marks;
    writer.PutNumbers(numbers);
    writer.Put<Text::kRequestId>(request.id);
    writer.Put<Text::kTraceId>("0af7651916cd43dd8448eb211c80319c");
    writer.Put<Text::kMethod>("GET");
    writer.Put<Text::kService>(request.service);
    writer.Put<Text::kSource>(request.source);
    writer.Put<Text::kAuthority>("cart:8080");
    writer.Put<Text::kPath>(request.path);
  });
}

Record Recorded(const Request& request) {
  Ring ring(0, 1);
  return *ring.Read(Write(ring, request));
}

bool Matches(const RequestFilter& filter, const Request& request) {
  const auto made = RecordFilter::Make(filter, kWeb);
  EXPECT_TRUE(made.ok()) << made.status();
  return made->Matches(Recorded(request));
}

template <typename Set>
RequestFilter With(Set set) {
  RequestFilter filter;
  set(filter);
  return filter;
}

TEST(RecordFilter, MatchesById) {
  const auto by = [](std::string id) {
    return With([&](RequestFilter& filter) { filter.set_id(std::move(id)); });
  };
  EXPECT_TRUE(Matches(by("id-1"), {}));
  EXPECT_FALSE(Matches(by("id-"), {}));
  EXPECT_FALSE(Matches(by("id-12"), {}));
  EXPECT_TRUE(Matches(by("0af7651916cd43dd8448eb211c80319c"), {}));
  // A client chose one that was cut.
  const std::string long_id(100, 'x');
  EXPECT_TRUE(Matches(by(long_id), {.id = long_id}));
}

TEST(RecordFilter, MatchesByService) {
  const auto by = [](const char* service) {
    return With([&](RequestFilter& filter) { filter.set_service(service); });
  };
  EXPECT_TRUE(Matches(by("cart"), {}));
  EXPECT_TRUE(Matches(by("cart.shop"), {}));
  EXPECT_TRUE(Matches(by("cart.shop.svc.cluster.local"), {}));
  EXPECT_FALSE(Matches(by("car"), {}));
  EXPECT_FALSE(Matches(by("shop"), {}));
  EXPECT_FALSE(Matches(by("cart.other"), {}));
  // Without a route, the authority is all there is.
  EXPECT_TRUE(Matches(by("cart"), {.service = ""}));
}

TEST(RecordFilter, MatchesBySource) {
  const auto by = [](const char* source) {
    return With([&](RequestFilter& filter) { filter.set_source(source); });
  };
  const Request inbound{.marks = 0, .source = kCart};
  EXPECT_TRUE(Matches(by(kCart), inbound));
  EXPECT_TRUE(Matches(by("cart.shop"), inbound));
  EXPECT_FALSE(Matches(by("cart.shop2"), inbound));
  EXPECT_FALSE(Matches(by("cart"), inbound));
  EXPECT_FALSE(Matches(by("web.shop"), inbound));
  // The caller of outbound requests is the own workload.
  EXPECT_TRUE(Matches(by("web.shop"), {}));
  EXPECT_FALSE(Matches(by("web.shop"), {.marks = 0}));
}

TEST(RecordFilter, MatchesByOutcome) {
  EXPECT_FALSE(Matches(With([](auto& filter) { filter.set_failed_only(true); }), {}));
  EXPECT_TRUE(
      Matches(With([](auto& filter) { filter.set_failed_only(true); }), {.marks = kFailed}));
  const RequestFilter server_errors = With([](auto& filter) {
    filter.add_statuses()->set_lowest(500);
    filter.mutable_statuses(0)->set_highest(599);
  });
  EXPECT_TRUE(Matches(server_errors, {.status = 503}));
  EXPECT_FALSE(Matches(server_errors, {.status = 404}));
  EXPECT_FALSE(Matches(server_errors, {.status = 600}));
  const RequestFilter slow = With([](auto& filter) { filter.set_at_least_milliseconds(100); });
  EXPECT_TRUE(Matches(slow, {.lasted_ms = 100}));
  EXPECT_FALSE(Matches(slow, {.lasted_ms = 99}));
  const RequestFilter fast = With([](auto& filter) { filter.set_at_most_milliseconds(100); });
  EXPECT_TRUE(Matches(fast, {.lasted_ms = 100}));
  EXPECT_FALSE(Matches(fast, {.lasted_ms = 101}));
}

TEST(RecordFilter, MatchesByMethodAndPath) {
  EXPECT_TRUE(Matches(With([](auto& filter) { filter.set_method("GET"); }), {}));
  EXPECT_FALSE(Matches(With([](auto& filter) { filter.set_method("POST"); }), {}));
  EXPECT_TRUE(Matches(With([](auto& filter) { filter.set_path_prefix("/items"); }), {}));
  EXPECT_FALSE(Matches(With([](auto& filter) { filter.set_path_prefix("/cart"); }), {}));
}

TEST(RecordFilter, RefusesWhatIsTooLarge) {
  const auto refused = [](const RequestFilter& filter) {
    return std::string(RecordFilter::Make(filter, "").status().message());
  };
  EXPECT_EQ(refused(With([](auto& filter) { filter.set_id(std::string(300, 'x')); })),
            "id: longer than 256");
  EXPECT_EQ(refused(With([](auto& filter) { filter.set_limit(1001); })), "limit: at most 1000");
}

TEST(RecordMessage, HasAllThatWasRecorded) {
  Ring ring(0, 1);
  Numbers numbers;
  numbers.wall_started = 1'795'255'233'031'000'000;
  numbers.request_ended = 1;
  numbers.upstream_asked = 2000;
  numbers.ended = 4500;
  numbers.request_bytes = 11;
  numbers.response_bytes = 279;
  numbers.status = 503;
  numbers.grpc_status = 14;
  numbers.attempts = 3;
  numbers.marks = kOutbound | kMutualTls | kFailed | kRetriesExhausted | kDelayInjected;
  ring.Write([&](RecordWriter& writer) {
    writer.PutNumbers(numbers);
    writer.Put<Text::kFlag>("UF");
    writer.Put<Text::kCause>("connect_refused");
    writer.Put<Text::kDestination>(kCart);
    writer.Put<Text::kPath>("/\xff\n\"é");
    writer.Put<Text::kDetail>("upstream_reset");
  });
  const RequestRecord message = MessageOf(*ring.Read(0), nullptr, {kWeb, ""});
  EXPECT_EQ(message.started_micros(), 1'795'255'233'031'000);
  EXPECT_EQ(message.request_ended(), 1u);  // reached
  EXPECT_EQ(message.upstream_asked(), 2u);
  EXPECT_EQ(message.upstream_answered(), 0u);
  EXPECT_EQ(message.ended(), 5u);
  EXPECT_EQ(message.status(), 503u);
  EXPECT_EQ(message.grpc_status(), 14u);
  EXPECT_EQ(message.response_flags(), "DI,UF,URX");
  EXPECT_EQ(message.cause(), "connect_refused");
  EXPECT_EQ(message.detail(), "upstream_reset");
  EXPECT_EQ(message.path(), "/??\"??");
  EXPECT_EQ(message.source(), kWeb);
  EXPECT_EQ(message.destination(), kCart);
  EXPECT_TRUE(message.outbound());
  EXPECT_TRUE(message.mutual_tls());
  EXPECT_TRUE(message.retries_exhausted());
  EXPECT_EQ(message.attempts(), 3u);
  EXPECT_EQ(message.decisions_size(), 0);
}

TEST(RecordMessage, LeavesOutWhatDidNotHappen) {
  const RequestRecord message = MessageOf(Recorded({.marks = 0}), nullptr, {kWeb, ""});
  EXPECT_FALSE(message.has_grpc_status());
  EXPECT_EQ(message.source(), "");
  EXPECT_EQ(message.destination(), kWeb);
  EXPECT_EQ(message.source_address(), "");
  EXPECT_EQ(message.response_flags(), "");
}

TEST(FlightRecorder, FindsTheNewestOfAllWorkers) {
  FlightRecorder recorder(2);
  for (int64_t i = 0; i < 6; ++i) Write(recorder.worker(i % 2).ring, {.started_ms = 100 + i});
  Write(recorder.worker(0).ring, {.started_ms = 200, .status = 404});
  const auto filter =
      RecordFilter::Make(With([](auto& one) { one.add_statuses()->set_highest(299); }), "");
  const Found found = recorder.Find(*filter, 2);
  ASSERT_EQ(found.records.size(), 2u);
  EXPECT_EQ(found.records[0].record.numbers().wall_started, 105 * kMillisecond);
  EXPECT_EQ(found.records[1].record.numbers().wall_started, 104 * kMillisecond);
  EXPECT_EQ(found.left_out, 4u);
}

void Explain(Ring& ring, std::string_view subject) {
  ring.Explain([&](ExplanationWriter& writer) {
    writer.Add({DecisionKind::kRoute, true, subject, "matches"});
  });
}

TEST(FlightRecorder, FindsDecisionsToo) {
  FlightRecorder recorder(2);
  for (int worker : {0, 1}) {
    Write(recorder.worker(worker).ring, {.started_ms = worker});
    Explain(recorder.worker(worker).ring, std::to_string(worker));
  }
  const Found found = recorder.Find(*RecordFilter::Make({}, ""), 10);
  ASSERT_EQ(found.records.size(), 2u);
  ASSERT_NE(found.records[0].explanation, nullptr);
  ASSERT_EQ(found.records[0].explanation->decisions().size(), 1u);
  EXPECT_EQ(found.records[0].explanation->decisions()[0].subject, "1");
  EXPECT_EQ(found.records[1].explanation->decisions()[0].subject, "0");
}

// A failure is still known when many requests have passed since.
TEST(FlightRecorder, FindsWhatOnlyAnExplanationHas) {
  const Ring* ring;
  Ring small(0, 4, 2);
  ring = &small;
  Write(small, {.started_ms = 1, .status = 503});
  Explain(small, "r");
  for (int64_t i = 2; i < 10; ++i) Write(small, {.started_ms = i});
  const Found found = FindIn({&ring, 1}, *RecordFilter::Make({}, ""), 10);
  ASSERT_EQ(found.records.size(), 5u);
  EXPECT_EQ(found.records[4].record.numbers().status, 503);
  ASSERT_NE(found.records[4].explanation, nullptr);
  EXPECT_EQ(found.records[3].explanation, nullptr);
}

TEST(RecordMessage, TellsDecisionsInWords) {
  Ring ring(0, 2, 2);
  ring.SetOwn(kWeb);
  ring.SetConfiguration(0, "7: RouteConfiguration web version 3fa9");
  Write(ring, {});
  ring.Explain([](ExplanationWriter& writer) {
    writer.Add({DecisionKind::kAttempt,
                false,
                "10.0.0.1:80",
                "connect_refused",
                {},
                {.began = std::chrono::microseconds(5),
                 .took = std::chrono::microseconds(35),
                 .breaker = BreakerNow::kOpen}});
    writer.Add({DecisionKind::kRetry, true, "connect_refused", "retry_on matches"});
    writer.Add({DecisionKind::kAttempt,
                true,
                "10.0.0.2:80",
                "",
                {},
                {.status = 200,
                 .began = std::chrono::microseconds(90),
                 .took = std::chrono::microseconds(7)}});
    writer.Add({DecisionKind::kClusterLimit,
                false,
                "max_requests",
                "limit reached",
                {},
                {.used = 2, .allowed = 2}});
    writer.Add({DecisionKind::kRoute, false, "other\n", "path does not match"});
    writer.LeaveOut(3);
  });
  const auto explanation = ring.ReadExplanation(0);
  ASSERT_NE(explanation, nullptr);
  const RequestRecord message = MessageOf(ring, explanation->record(), explanation.get());
  std::string text;
  for (const auto& one : message.decisions())
    text +=
        one.kind() + " " + one.subject() + (one.positive() ? " + " : " - ") + one.reason() + "\n";
  EXPECT_EQ(text,
            "route other? - path does not match\n"
            "attempt 10.0.0.1:80 - connect_refused, began after 5 us, took 35 us, circuit breaker "
            "open\n"
            "retry connect_refused + retry_on matches\n"
            "attempt 10.0.0.2:80 + status 200, began after 90 us, took 7 us\n"
            "cluster limit max_requests - limit reached: 2 of 2\n");
  EXPECT_EQ(message.decisions_left_out(), 3u);
  EXPECT_EQ(message.source(), kWeb);
  EXPECT_EQ(message.configuration(), "7: RouteConfiguration web version 3fa9");
}

TEST(RingReader, ReadsWhatComesAndCountsWhatIsLost) {
  Ring ring(0, 4);
  Write(ring, {});
  RingReader reader(ring);
  std::vector<int64_t> seen;
  const auto note = [&](const Record& record) {
    seen.push_back(record.numbers().wall_started / kMillisecond);
  };
  EXPECT_EQ(reader.Read(note), 0u);
  Write(ring, {.started_ms = 2});
  EXPECT_EQ(reader.Read(note), 0u);
  for (int64_t i = 3; i < 10; ++i) Write(ring, {.started_ms = i});
  EXPECT_EQ(reader.Read(note), 3u);
  EXPECT_EQ(seen, (std::vector<int64_t>{2, 6, 7, 8, 9}));
}

class RecordedFilesTest : public testing::Test {
 protected:
  RecordedFilesTest() : folder_(testing::TempDir() + "recorded_files_test") {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~RecordedFilesTest() override { std::filesystem::remove_all(folder_); }

  const std::string folder_;
};

TEST_F(RecordedFilesTest, ARestartKeepsWhatWasRecorded) {
  {
    FlightRecorder recorder(2);
    ASSERT_TRUE(recorder.MoveToDirectory(folder_).ok());
    Write(recorder.worker(1).ring, {.started_ms = 1, .id = "before"});
  }
  FlightRecorder recorder(2);
  ASSERT_TRUE(recorder.MoveToDirectory(folder_).ok());
  Write(recorder.worker(0).ring, {.started_ms = 2, .id = "after"});
  const Found found = recorder.Find(*RecordFilter::Make({}, ""), 10);
  ASSERT_EQ(found.records.size(), 2u);
  EXPECT_EQ(found.records[0].record[Text::kRequestId], "after");
  EXPECT_EQ(found.records[1].record[Text::kRequestId], "before");

  const auto lines = RecordsOf(folder_);
  ASSERT_TRUE(lines.ok());
  EXPECT_NE(lines->find("{\"file\":\"recorder-0.ring\",\"requestId\":\"after\""), lines->npos)
      << *lines;
  EXPECT_NE(lines->find("{\"file\":\"recorder-1.previous.ring\",\"requestId\":\"before\""),
            lines->npos)
      << *lines;
}

TEST_F(RecordedFilesTest, ErrorsSayWhatIsWrong) {
  EXPECT_EQ(RecordsOf(folder_ + "/none").status().message(),
            folder_ + "/none: No such file or directory");
  EXPECT_EQ(RecordsOf(folder_).status().message(),
            folder_ + ": no files of a flight recorder; name the --state-dir of a sidecar");
}

}  // namespace
}  // namespace tulle::recorder
