// The trace that a request belongs to: which headers go on, and which spans there are.
#include "sidecar/proxy/request_spans.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "sidecar/proxy/testing/call_world.h"

namespace tulle::proxy {
namespace {

constexpr char kParent[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
constexpr char kNotSampled[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

class RequestSpansTest : public testing::CallWorld {
 protected:
  RequestSpansTest() { http_.tracing = std::make_shared<config::TracingSpec>(tracing_); }
  void Begin() { call().spans.Begin(call()); }
  config::TracingSpec tracing_;
};

TEST_F(RequestSpansTest, WithoutTracingHeadersPassUnchanged) {
  http_.tracing = nullptr;
  head_.headers.Add("traceparent", "garbage");
  Begin();
  EXPECT_EQ(Header("traceparent"), "garbage");
  EXPECT_TRUE(call().record.tracing.id.empty());
}

TEST_F(RequestSpansTest, ContinuesTheTraceOfTheCaller) {
  head_.headers.Add("traceparent", kParent);
  head_.headers.Add("tracestate", "vendor=1");
  Begin();
  const std::string_view sent = Header("traceparent");
  EXPECT_EQ(sent.substr(0, 36), std::string_view(kParent).substr(0, 36));
  EXPECT_NE(sent, kParent);  // a span of our own
  EXPECT_EQ(Header("tracestate"), "vendor=1");
  ASSERT_NE(call().record.tracing.spans, nullptr);
  EXPECT_EQ(call().record.tracing.spans->parent, 0xb7ad6b7169203331u);
  EXPECT_EQ(call().record.tracing.id, "0af7651916cd43dd8448eb211c80319c");
}

TEST_F(RequestSpansTest, WhatIsNotSampledGoesOnAsItCame) {
  head_.headers.Add("traceparent", kNotSampled);
  Begin();
  EXPECT_EQ(Header("traceparent"), kNotSampled);
  EXPECT_EQ(call().record.tracing.spans, nullptr);
  EXPECT_EQ(call().record.tracing.id, "0af7651916cd43dd8448eb211c80319c");
}

TEST_F(RequestSpansTest, InvalidOrDoubleParentBeginsANewTrace) {
  head_.headers.Add("traceparent", kParent);
  head_.headers.Add("traceparent", kParent);
  head_.headers.Add("tracestate", "vendor=1");
  Begin();
  EXPECT_NE(Header("traceparent").substr(3, 32), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(Header("tracestate"), "(none)");
}

TEST_F(RequestSpansTest, EachAttemptHasASpanWithItsEnd) {
  tracing_.span_per_attempt = true;
  http_.tracing = std::make_shared<config::TracingSpec>(tracing_);
  Begin();
  Call& one = call();
  const std::string first(Header("traceparent"));
  one.spans.BeginAttempt(one, *SocketAddress::Parse("10.0.0.2", 80));
  EXPECT_NE(Header("traceparent"), first);
  one.spans.EndAttempt(one, 503, {});
  one.spans.EndAttempt(one, 200, {});  // only the first end counts
  one.spans.BeginAttempt(one, *SocketAddress::Parse("10.0.0.3", 80));
  const RequestTrace& trace = *one.record.tracing.spans;
  ASSERT_EQ(trace.attempts.count, 2u);
  EXPECT_EQ(trace.attempts.first->status, 503);
  EXPECT_EQ(trace.attempts.first->next, trace.attempts.last);
  EXPECT_EQ(trace.attempts.last->upstream, *SocketAddress::Parse("10.0.0.3", 80));
}

TEST_F(RequestSpansTest, SamplingOfNoneKeepsTheTraceIdAndMakesNoSpans) {
  tracing_.overall_sampling = 0;
  http_.tracing = std::make_shared<config::TracingSpec>(tracing_);
  Begin();
  EXPECT_EQ(call().record.tracing.spans, nullptr);
  EXPECT_TRUE(Header("traceparent").ends_with("-00"));
}

TEST_F(RequestSpansTest, TheEndKnowsThePlaceOfARequestThatIsNotSampled) {
  head_.headers.Add("traceparent", kNotSampled);
  Begin();
  const TracingRecord& tracing = call().record.tracing;
  EXPECT_EQ(tracing.span, 0u);
  EXPECT_EQ(tracing.parent, 0xb7ad6b7169203331u);
}

TEST_F(RequestSpansTest, OfATraceThatBeginsHereThePlaceIsWhatTheUpstreamIsTold) {
  tracing_.random_sampling = 0;
  http_.tracing = std::make_shared<config::TracingSpec>(tracing_);
  Begin();
  const TracingRecord& tracing = call().record.tracing;
  EXPECT_EQ(telemetry::ParseTraceparent(Header("traceparent"))->span, tracing.span);
  EXPECT_EQ(tracing.parent, 0u);
}

TEST_F(RequestSpansTest, NewTracesAreLimitedForEachSecondButNotThoseOfCallers) {
  tracing_.traces_per_second = 1;
  http_.tracing = std::make_shared<config::TracingSpec>(tracing_);
  const auto is_sampled = [&] {
    head_.headers.Remove("traceparent");
    Begin();
    return Header("traceparent").ends_with("-01");
  };
  EXPECT_TRUE(is_sampled());
  EXPECT_FALSE(is_sampled());
  head_.headers.Add("x-envoy-force-trace", "1");
  EXPECT_TRUE(is_sampled());
  head_.headers.Remove("x-envoy-force-trace");
  head_.headers.Set("traceparent", kParent);
  Begin();
  EXPECT_TRUE(Header("traceparent").ends_with("-01"));
  simulation_.RunFor(std::chrono::seconds(1));
  EXPECT_TRUE(is_sampled());
  EXPECT_FALSE(is_sampled());
}

// Of 10,000 traces that begin here a tenth is sampled: within four standard deviations.
TEST_F(RequestSpansTest, TheShareOfTracesIsThatOfTheConfiguration) {
  constexpr int kTraces = 10'000;
  for (const uint32_t per_million : {10'000u, 100'000u, 500'000u}) {
    tracing_.random_sampling = per_million;
    http_.tracing = std::make_shared<config::TracingSpec>(tracing_);
    Remake();
    int sampled = 0;
    for (int i = 0; i < kTraces; ++i) {
      head_.headers.Remove("traceparent");
      Begin();
      sampled += Header("traceparent").ends_with("-01") ? 1 : 0;
    }
    const double share = per_million / 1e6;
    const double expected = kTraces * share;
    EXPECT_NEAR(sampled, expected, 4 * std::sqrt(expected * (1 - share))) << per_million;
  }
}

// The hops of a trace decide by its id, so that it has all of its spans or none.
TEST_F(RequestSpansTest, AllHopsMakeTheSameDecision) {
  constexpr int kTraces = 10'000;
  int sampled = 0;
  loop::Random random(7);
  for (int i = 0; i < kTraces; ++i) {
    telemetry::TracePoint point{random.Next(), random.Next(), 1, telemetry::TracePoint::kSampled};
    char text[telemetry::kTraceparentSize];
    telemetry::WriteTraceparent(point, text);
    std::vector<bool> decisions;
    for (int hop = 0; hop < 3; ++hop) {
      tracing_.overall_sampling = 100'000;
      http_.tracing = std::make_shared<config::TracingSpec>(tracing_);
      Remake();
      head_.headers.Set("traceparent", arena_.Copy({text, telemetry::kTraceparentSize}));
      Begin();
      decisions.push_back(Header("traceparent").ends_with("-01"));
    }
    ASSERT_EQ(decisions, std::vector<bool>(3, decisions[0])) << i;
    sampled += decisions[0] ? 1 : 0;
  }
  EXPECT_NEAR(sampled, 1000, 4 * 30);
}

// What a request with these headers of baggage passes on: all of them or none.
class BaggageTest : public RequestSpansTest {
 protected:
  size_t PassedOn(const std::vector<std::string>& values) {
    head_.headers.Remove("baggage");
    for (const std::string& value : values) head_.headers.Add("baggage", arena_.Copy(value));
    Begin();
    size_t count = 0;
    for (const http::Header& header : head_.headers.all()) count += header.name == "baggage";
    return count;
  }
  static std::string Members(int count) {
    std::string text = "k0=v";
    for (int i = 1; i < count; ++i) text += ",k" + std::to_string(i) + "=v";
    return text;
  }
};

TEST_F(BaggageTest, Fault86_MembersAreBounded) {
  EXPECT_EQ(PassedOn({Members(64)}), 1u);
  EXPECT_EQ(PassedOn({Members(65)}), 0u);
  EXPECT_EQ(PassedOn({Members(2000)}), 0u);
  EXPECT_EQ(PassedOn({Members(32), Members(32)}), 2u);
  EXPECT_EQ(PassedOn({Members(32), Members(33)}), 0u);
  EXPECT_EQ(PassedOn(std::vector<std::string>(2000, "k=v")), 0u);
}

TEST_F(BaggageTest, Fault86_BytesAreBounded) {
  EXPECT_EQ(PassedOn({"k=" + std::string(8190, 'v')}), 1u);
  EXPECT_EQ(PassedOn({"k=" + std::string(8191, 'v')}), 0u);
  EXPECT_EQ(PassedOn({"k=" + std::string(4094, 'v'), "k=" + std::string(4094, 'v')}), 2u);
  EXPECT_EQ(PassedOn({"k=" + std::string(4094, 'v'), "k=" + std::string(4095, 'v')}), 0u);
}

struct HostileState {
  std::string value;
  bool passes;
};

// A valid traceparent does not vouch for what comes with it.
TEST_F(RequestSpansTest, Fault86_TracestateIsBounded) {
  const HostileState cases[] = {
      {"a=" + std::string(251, 'v') + ",b=" + std::string(256, 'v'), true},
      {"a=" + std::string(252, 'v') + ",b=" + std::string(256, 'v'), false},
      {std::string(60000, 'a'), false},
      {"a=1,,,,b=2", true},
      {"a=\xff", false},
      {"a=\x01", false}};
  for (const HostileState& one : cases) {
    head_.headers.Set("traceparent", kParent);
    head_.headers.Set("tracestate", one.value);
    Begin();
    EXPECT_EQ(head_.headers.Has(http::HeaderId::kTracestate), one.passes)
        << one.value.substr(0, 20);
    EXPECT_EQ(Header("traceparent").substr(3, 32), std::string_view(kParent).substr(3, 32));
  }
}

constexpr char kB3[] = "0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-1-05e3ac9a4f6e3b90";

TEST_F(RequestSpansTest, ContinuesATraceOfB3) {
  head_.headers.Add("B3", kB3);
  Begin();
  const std::string_view sent = Header("traceparent");
  EXPECT_EQ(sent.substr(0, 36), std::string_view(kParent).substr(0, 36));
  ASSERT_NE(call().record.tracing.spans, nullptr);
  EXPECT_EQ(call().record.tracing.spans->parent, 0x00f067aa0ba902b7u);
  EXPECT_EQ(call().record.tracing.id, "0af7651916cd43dd8448eb211c80319c");
  const std::string own(sent.substr(36, 16));
  EXPECT_EQ(Header("b3"), "0af7651916cd43dd8448eb211c80319c-" + own + "-1-00f067aa0ba902b7");
  EXPECT_EQ(Header("x-b3-traceid"), "(none)");
}

TEST_F(RequestSpansTest, EachAttemptHasItsSpanInB3) {
  tracing_.span_per_attempt = true;
  http_.tracing = std::make_shared<config::TracingSpec>(tracing_);
  head_.headers.Add("X-B3-TraceId", "8448eb211c80319c");
  head_.headers.Add("X-B3-SpanId", "00f067aa0ba902b7");
  head_.headers.Add("X-B3-Flags", "1");
  Begin();
  Call& one = call();
  const std::string server(Header("x-b3-spanid"));
  for (int attempt = 0; attempt < 2; ++attempt) {
    one.spans.BeginAttempt(one, *SocketAddress::Parse("10.0.0.2", 80));
    const std::string_view sent = Header("traceparent");
    EXPECT_EQ(sent.substr(3, 32), "00000000000000008448eb211c80319c");
    EXPECT_EQ(Header("x-b3-traceid"), "8448eb211c80319c");  // as wide as it came
    EXPECT_EQ(Header("x-b3-spanid"), sent.substr(36, 16));
    EXPECT_NE(Header("x-b3-spanid"), server);
    EXPECT_EQ(Header("x-b3-parentspanid"), server);
    EXPECT_EQ(Header("x-b3-flags"), "1");
    EXPECT_EQ(Header("x-b3-sampled"), "(none)");
    EXPECT_EQ(Header("b3"), "(none)");
  }
}

TEST_F(RequestSpansTest, B3DecidesWhetherThereAreSpans) {
  head_.headers.Add("b3", "0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-0");
  Begin();
  EXPECT_EQ(call().record.tracing.spans, nullptr);
  EXPECT_EQ(Header("traceparent"), "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-00");
  EXPECT_EQ(Header("b3"), "0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-0");
}

TEST_F(RequestSpansTest, B3MayDenyATraceThatBeginsHere) {
  head_.headers.Add("b3", "0");
  Begin();
  EXPECT_EQ(call().record.tracing.spans, nullptr);
  const std::string_view sent = Header("traceparent");
  EXPECT_TRUE(sent.ends_with("-00"));
  EXPECT_EQ(Header("b3"), std::string(sent.substr(3, 49)) + "-0");
}

TEST_F(RequestSpansTest, ATraceOfB3WithoutDecisionIsSampledAsANewOne) {
  tracing_.random_sampling = 0;
  http_.tracing = std::make_shared<config::TracingSpec>(tracing_);
  head_.headers.Add("b3", "0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7");
  Begin();
  EXPECT_EQ(call().record.tracing.spans, nullptr);
  EXPECT_EQ(Header("b3"), "0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-0");
}

TEST_F(RequestSpansTest, TraceparentPrevailsAndB3TellsTheSame) {
  head_.headers.Add("traceparent", kParent);
  head_.headers.Add("b3", "64fe8b2a57d3eff7-e457b5a2e4d86bd1-0");
  head_.headers.Add("x-b3-sampled", "0");
  Begin();
  const std::string own(Header("traceparent").substr(36, 16));
  EXPECT_EQ(Header("b3"), "0af7651916cd43dd8448eb211c80319c-" + own + "-1-b7ad6b7169203331");
  EXPECT_EQ(Header("x-b3-traceid"), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(Header("x-b3-spanid"), own);
  EXPECT_EQ(Header("x-b3-sampled"), "1");
}

TEST_F(RequestSpansTest, TraceparentThatIsNotSampledPrevailsToo) {
  head_.headers.Add("traceparent", kNotSampled);
  head_.headers.Add("b3", "64fe8b2a57d3eff7-e457b5a2e4d86bd1-1");
  Begin();
  EXPECT_EQ(Header("traceparent"), kNotSampled);
  EXPECT_EQ(Header("b3"), "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0");
}

TEST_F(RequestSpansTest, InvalidTraceparentLeavesTheTraceToB3) {
  head_.headers.Add("traceparent", "00-0");
  head_.headers.Add("tracestate", "vendor=1");
  head_.headers.Add("b3", kB3);
  Begin();
  EXPECT_EQ(call().record.tracing.id, "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(Header("tracestate"), "(none)");
}

class HostileB3Test
    : public RequestSpansTest,
      public ::testing::WithParamInterface<std::vector<std::pair<std::string, std::string>>> {};

TEST_P(HostileB3Test, Fault86_BeginsANewTraceWithoutB3) {
  for (const auto& [name, value] : GetParam()) head_.headers.Add(name, value);
  Begin();
  ASSERT_TRUE(telemetry::ParseTraceparent(Header("traceparent")).has_value());
  EXPECT_NE(Header("traceparent").substr(3, 32), "0af7651916cd43dd8448eb211c80319c");
  for (const http::Header& header : head_.headers.all()) EXPECT_EQ(header.name, "traceparent");
}

INSTANTIATE_TEST_SUITE_P(
    B3, HostileB3Test,
    ::testing::Values(
        std::vector<std::pair<std::string, std::string>>{{"b3", kB3}, {"b3", kB3}},
        std::vector<std::pair<std::string, std::string>>{{"b3", std::string(60000, 'a')}},
        std::vector<std::pair<std::string, std::string>>{{"b3", ""}},
        std::vector<std::pair<std::string, std::string>>{{"x-b3-traceid", ""}},
        std::vector<std::pair<std::string, std::string>>{
            {"x-b3-traceid", "0af7651916cd43dd8448eb211c80319c"},
            {"x-b3-spanid", "00f067aa0ba902b7"},
            {"x-b3-spanid", "00f067aa0ba902b7"}},
        std::vector<std::pair<std::string, std::string>>{
            {"x-b3-traceid", "0af7651916cd43dd8448eb211c80319c"}, {"x-b3-sampled", "1"}}));

}  // namespace
}  // namespace tulle::proxy
