#include "telemetry/export/collector_answer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "opentelemetry/proto/collector/logs/v1/logs_service.pb.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"

namespace tulle::telemetry {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

grpc::Status Asks(int64_t after_seconds, int32_t nanos) {
  google::rpc::Status status;
  status.add_details();  // of another type
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(after_seconds);
  retry.mutable_retry_delay()->set_nanos(nanos);
  status.add_details()->PackFrom(retry);
  return {grpc::Code::kResourceExhausted, "busy", status.SerializeAsString()};
}

TEST(PartialSuccess, IsReadFromBothSignals) {
  opentelemetry::proto::collector::trace::v1::ExportTraceServiceResponse traces;
  traces.mutable_partial_success()->set_rejected_spans(3);
  traces.mutable_partial_success()->set_error_message("too old");
  const PartialSuccess of_traces = PartialSuccessIn(traces.SerializeAsString());
  EXPECT_EQ(of_traces.rejected, 3u);
  EXPECT_EQ(of_traces.message, "too old");
  opentelemetry::proto::collector::logs::v1::ExportLogsServiceResponse logs;
  logs.mutable_partial_success()->set_rejected_log_records(4);
  EXPECT_EQ(PartialSuccessIn(logs.SerializeAsString()).rejected, 4u);
}

TEST(PartialSuccess, WhatIsMalformedIsNone) {
  EXPECT_EQ(PartialSuccessIn("").rejected, 0u);
  EXPECT_EQ(PartialSuccessIn("\xff\xff\xff").rejected, 0u);
  opentelemetry::proto::collector::trace::v1::ExportTraceServiceResponse negative;
  negative.mutable_partial_success()->set_rejected_spans(-1);
  negative.mutable_partial_success()->set_error_message(std::string(100'000, 'x'));
  const PartialSuccess partial = PartialSuccessIn(negative.SerializeAsString());
  EXPECT_EQ(partial.rejected, 0u);
  EXPECT_EQ(partial.message.size(), 256u);
}

TEST(RetryDelay, IsReadFromTheDetails) {
  EXPECT_EQ(RetryDelayIn(Asks(7, 500'000'000)), milliseconds(7500));
  EXPECT_EQ(RetryDelayIn(Asks(0, 0)), seconds(0));
  EXPECT_EQ(RetryDelayIn(Asks(1LL << 60, 0)), seconds(300));
  EXPECT_EQ(RetryDelayIn(Asks(-1, -5)), seconds(0));
  EXPECT_EQ(RetryDelayIn({grpc::Code::kResourceExhausted, "busy"}), std::nullopt);
  EXPECT_EQ(RetryDelayIn({grpc::Code::kResourceExhausted, "busy", "\xff"}), std::nullopt);
  EXPECT_EQ(
      RetryDelayIn({grpc::Code::kUnavailable, "busy", google::rpc::Status().SerializeAsString()}),
      std::nullopt);
}

TEST(RetryAfterText, IsSecondsOrADate) {
  const auto now = std::chrono::system_clock::from_time_t(784'111'777);
  EXPECT_EQ(RetryAfter("7", now), seconds(7));
  EXPECT_EQ(RetryAfter("Sun, 06 Nov 1994 08:50:00 GMT", now), seconds(23));
  EXPECT_EQ(RetryAfter("Sun, 06 Nov 1994 08:49:00 GMT", now), seconds(0));
  EXPECT_EQ(RetryAfter("99999999999999999999", now), seconds(0));
  EXPECT_EQ(RetryAfter("3000000000", now), seconds(300));
  for (const char* malformed : {"", "-1", "7s", "Sun", "Sun, 06 Nov 1994 08:50:00"})
    EXPECT_EQ(RetryAfter(malformed, now), seconds(0)) << malformed;
}

}  // namespace
}  // namespace tulle::telemetry
