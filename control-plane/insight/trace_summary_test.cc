#include "control-plane/insight/trace_summary.h"

#include <gtest/gtest.h>

#include "control-plane/insight/trace_ring.h"

namespace tulle::insight {
namespace {

Span SpanOf(const std::string& id, const std::string& parent, const std::string& service,
            uint64_t start, uint64_t end) {
  Span span;
  span.trace_id = "ab12";
  span.span_id = id;
  span.parent_id = parent;
  span.kind = "server";
  span.service = service;
  span.start_ns = start;
  span.end_ns = end;
  span.attributes = {{"http.request.method", "GET"},
                     {"url.path", "/" + service},
                     {"http.response.status_code", "200"},
                     {"tulle.mesh.microseconds", "30"}};
  return span;
}

TEST(TraceSummary, TheSpanWithoutAKnownParentSaysWhatATraceIsAbout) {
  // The clock of the called host is late, and its span begins first.
  Span called = SpanOf("2", "1", "cart", 900, 5000);
  const Span caller = SpanOf("1", "of the client", "web", 1000, 9000);
  called.is_error = true;
  const TraceSummary summary = SummaryOf({&caller, &called});
  EXPECT_EQ(summary.path, "/web");
  EXPECT_EQ(summary.method, "GET");
  EXPECT_EQ(summary.status, "200");
  EXPECT_FALSE(summary.is_error);
  EXPECT_TRUE(summary.has_errors);
  EXPECT_FALSE(summary.has_root);
  EXPECT_EQ(summary.start_ns, 900u);
  EXPECT_EQ(summary.end_ns, 9000u);
  EXPECT_EQ(summary.spans, 2u);
  EXPECT_EQ(summary.services, (std::vector<std::string>{"cart", "web"}));
}

TEST(TraceSummary, TimeInSidecarsIsThatOfServerSpans) {
  const Span server = SpanOf("1", "", "web", 0, 1);
  Span client = SpanOf("2", "1", "web", 0, 1);
  client.kind = "client";
  Span odd = SpanOf("3", "1", "web", 0, 1);
  odd.attributes = {{"tulle.mesh.microseconds", "99999999999999999999999"}};
  EXPECT_EQ(SummaryOf({&server, &client, &odd}).sidecar_micros, 30u);
}

TEST(TraceSummary, SpansThatAreEachOthersParentsHaveAFirstOneToo) {
  const Span one = SpanOf("1", "2", "web", 5, 6);
  const Span other = SpanOf("2", "1", "cart", 7, 8);
  EXPECT_EQ(SummaryOf({&one, &other}).path, "/web");
}

TEST(TraceSummary, ASpanThatEndsBeforeItBeginsTakesNoTime) {
  const Span span = SpanOf("1", "", "web", 500, 100);
  const TraceSummary summary = SummaryOf({&span});
  EXPECT_EQ(summary.end_ns, 500u);
}

TEST(TraceSummary, WhatTwoControlPlanesKnowIsOneTrace) {
  const Span caller = SpanOf("1", "", "web", 1000, 9000);
  const Span called = SpanOf("2", "1", "cart", 900, 5000);
  for (const bool is_turned : {false, true}) {
    TraceSummary sum = SummaryOf({is_turned ? &called : &caller});
    AddTo(&sum, SummaryOf({is_turned ? &caller : &called}));
    EXPECT_EQ(sum.path, "/web") << "the one that has a root";
    EXPECT_EQ(sum.start_ns, 900u);
    EXPECT_EQ(sum.end_ns, 9000u);
    EXPECT_EQ(sum.spans, 2u);
    EXPECT_EQ(sum.sidecar_micros, 60u);
    EXPECT_EQ(sum.services.size(), 2u);
  }
}

TEST(TraceFilter, AllConditionsHold) {
  const Span span = SpanOf("1", "", "web", 0, 5'000'000);
  TraceSummary trace = SummaryOf({&span});
  TraceFilter all{.id = "ab",
                  .service = "we",
                  .path = "/w",
                  .lowest_status = 200,
                  .highest_status = 299,
                  .at_least_ns = 5'000'000};
  EXPECT_TRUE(TraceFilter().Matches(trace));
  EXPECT_TRUE(all.Matches(trace));
  const auto without = [&](auto change) {
    TraceFilter filter = all;
    change(filter);
    return filter.Matches(trace);
  };
  EXPECT_FALSE(without([](TraceFilter& f) { f.id = "b"; }));
  EXPECT_FALSE(without([](TraceFilter& f) { f.service = "eb"; }));
  EXPECT_FALSE(without([](TraceFilter& f) { f.path = "w"; }));
  EXPECT_FALSE(without([](TraceFilter& f) { f.lowest_status = 201; }));
  EXPECT_FALSE(without([](TraceFilter& f) { f.failed_only = true; }));
  EXPECT_FALSE(without([](TraceFilter& f) { f.at_least_ns = 5'000'001; }));
  trace.status = "";
  EXPECT_FALSE(all.Matches(trace)) << "there was no response";
  trace.has_errors = true;
  TraceFilter failed;
  failed.failed_only = true;
  EXPECT_TRUE(failed.Matches(trace));
}

}  // namespace
}  // namespace tulle::insight
