#include "control-plane/insight/message_weight.h"

#include <gtest/gtest.h>

#include <string>

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"
#include "tulle/insight/v1/insight.pb.h"

namespace tulle::insight {
namespace {

// As much as a sidecar ever sends: its 1,000 newest requests with decisions.
v1::FromSidecar LargeAnswer() {
  v1::FromSidecar message;
  for (int i = 0; i < 1000; ++i) {
    v1::RequestRecord& record = *message.mutable_answer()->add_requests();
    for (int field = 1; field <= 31; ++field) {
      const auto* about = record.GetDescriptor()->FindFieldByNumber(field);
      if (about->cpp_type() == about->CPPTYPE_STRING)
        record.GetReflection()->SetString(&record, about, "text");
    }
    for (int decision = 0; decision < 8; ++decision) record.add_decisions()->set_kind("route");
  }
  return message;
}

TEST(MessageWeight, WhatSidecarsSendIsLightEnough) {
  const auto weight = WeightOfReport(LargeAnswer().SerializeAsString());
  ASSERT_TRUE(weight);
  EXPECT_GT(*weight, 1000u * (64 + 8 * 8));
  EXPECT_LT(*weight, kHeaviestMessage);
}

TEST(MessageWeight, FewBytesCanBeHeavy) {
  v1::FromSidecar answer;
  v1::FromSidecar failures;
  v1::FromSidecar decisions;
  v1::FromSidecar series;
  v1::FromSidecar headers;
  for (int i = 0; i < 200'000; ++i) {
    answer.mutable_answer()->add_requests();
    failures.add_failed();
    if (i == 0) decisions.add_failed();
    if (i == 0) headers.mutable_answer()->add_requests();
    headers.mutable_answer()->mutable_requests(0)->add_request_headers();
    decisions.mutable_failed(0)->add_decisions();
    series.mutable_traffic()->add_series();
  }
  for (const v1::FromSidecar* message : {&answer, &failures, &decisions, &series, &headers}) {
    const std::string bytes = message->SerializeAsString();
    EXPECT_LT(bytes.size(), 640u * 1024);
    EXPECT_GT(WeightOfReport(bytes).value_or(0), kHeaviestMessage);
  }
  const std::string unknown(600 * 1024, '\x78');  // fields 15 of the value 120
  EXPECT_GT(WeightOfReport(unknown).value_or(0), kHeaviestMessage);
}

// A parser merges them.
TEST(MessageWeight, PartsOfOneFieldAddUp) {
  v1::FromSidecar part;
  part.mutable_answer()->add_requests();
  std::string bytes;
  for (int i = 0; i < 10; ++i) bytes += part.SerializeAsString();
  EXPECT_EQ(WeightOfReport(bytes), 10u * *WeightOfReport(part.SerializeAsString()));
}

TEST(MessageWeight, ListsInAttributesOfSpansCount) {
  opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest request;
  auto& span = *request.add_resource_spans()->add_scope_spans()->add_spans();
  auto& list = *span.add_attributes()->mutable_value()->mutable_array_value();
  for (int i = 0; i < 100'000; ++i) list.add_values();
  EXPECT_GT(WeightOfSpans(request.SerializeAsString()).value_or(0), kHeaviestMessage);
}

TEST(MessageWeight, WhatIsNoMessageHasNone) {
  const std::string whole = LargeAnswer().SerializeAsString();
  EXPECT_FALSE(WeightOfReport(whole.substr(0, whole.size() - 1)));
  EXPECT_FALSE(WeightOfReport("\x22\x7f"));               // longer than the bytes
  EXPECT_FALSE(WeightOfReport("\x22\x02\x12\x05xxxxx"));  // longer than what it is in
  EXPECT_FALSE(WeightOfReport("\x0b\x0c"));               // a group
  EXPECT_FALSE(WeightOfReport(std::string(3, '\0')));
  EXPECT_EQ(WeightOfReport(""), 0u);
}

std::string Field(char tag, const std::string& bytes) {
  const size_t size = bytes.size();
  std::string field{tag};
  if (size < 128) return field + static_cast<char>(size) + bytes;
  return field + static_cast<char>(0x80 | (size & 0x7f)) + static_cast<char>(size >> 7) + bytes;
}

TEST(MessageWeight, ListsDeeperThanAParserGoesHaveNone) {
  std::string value;
  for (int i = 0; i < 200; ++i) value = Field('\x2a', Field('\x0a', value));
  const std::string span = Field('\x4a', Field('\x12', value));
  EXPECT_FALSE(WeightOfSpans(Field('\x0a', Field('\x12', Field('\x12', span)))));
}

}  // namespace
}  // namespace tulle::insight
