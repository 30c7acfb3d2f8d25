// Writes spans in protobuf's wire format.
#include "telemetry/otlp_span.h"

#include <algorithm>

#include "telemetry/otlp_wire.h"

namespace tulle::telemetry {
namespace {

constexpr uint32_t kFlagParentKnown = 0x100;
constexpr uint32_t kFlagParentRemote = 0x200;
constexpr uint64_t kStatusError = 2;

// Protobuf strings must be UTF-8, otherwise a collector rejects the whole request.
bool IsPlain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

constexpr uint32_t kAttributesOfSpan = 9;
constexpr uint32_t kAttributesOfEvent = 3;

}  // namespace

SpanWriter::SpanWriter(std::string& out, const SpanHead& head)
    : out_(out), length_at_(otlp::OpenMessage(2, out)), attributes_(kAttributesOfSpan) {
  otlp::PutKey(1, otlp::kBytes, out_);
  otlp::PutVarint(16, out_);
  otlp::PutBigEndian(head.context.trace_high, out_);
  otlp::PutBigEndian(head.context.trace_low, out_);
  otlp::PutKey(2, otlp::kBytes, out_);
  otlp::PutVarint(8, out_);
  otlp::PutBigEndian(head.context.span, out_);
  if (!head.tracestate.empty()) otlp::PutText(3, head.tracestate, out_);
  if (head.parent != 0) {
    otlp::PutKey(4, otlp::kBytes, out_);
    otlp::PutVarint(8, out_);
    otlp::PutBigEndian(head.parent, out_);
  }
  const std::string_view name = head.name.substr(0, kLongestText);
  otlp::PutText(5, IsPlain(name) ? name : "unprintable", out_);
  otlp::PutKey(6, otlp::kVarint, out_);
  otlp::PutVarint(static_cast<uint64_t>(head.kind), out_);
  otlp::PutFixed64(7, head.start_ns, out_);
  otlp::PutFixed64(8, std::max(head.end_ns, head.start_ns), out_);
  otlp::PutFixed32(
      16, head.context.flags | kFlagParentKnown | (head.parent_is_remote ? kFlagParentRemote : 0),
      out_);
}

void SpanWriter::Text(std::string_view key, std::string_view value) {
  value = value.substr(0, kLongestText);
  if (IsPlain(value)) {
    if (!value.empty()) otlp::PutAttribute(attributes_, key, value, out_);
    return;
  }
  char plain[kLongestText];
  std::replace_copy_if(
      value.begin(), value.end(), plain, [](char c) { return c < 0x20 || c >= 0x7f; }, '?');
  otlp::PutAttribute(attributes_, key, {plain, value.size()}, out_);
}

void SpanWriter::Number(std::string_view key, uint64_t value) {
  const size_t any = 1 + otlp::VarintSize(value);
  otlp::PutKey(attributes_, otlp::kBytes, out_);
  otlp::PutVarint(1 + otlp::VarintSize(key.size()) + key.size() + 1 + otlp::VarintSize(any) + any,
                  out_);
  otlp::PutText(1, key, out_);
  otlp::PutKey(2, otlp::kBytes, out_);
  otlp::PutVarint(any, out_);
  otlp::PutKey(3, otlp::kVarint, out_);
  otlp::PutVarint(value, out_);
}

void SpanWriter::BeginEvent(uint64_t at_ns, std::string_view name) {
  event_at_ = otlp::OpenMessage(11, out_);
  otlp::PutFixed64(1, at_ns, out_);
  otlp::PutText(2, name, out_);
  attributes_ = kAttributesOfEvent;
}

void SpanWriter::EndEvent() {
  otlp::CloseMessage(event_at_, out_);
  attributes_ = kAttributesOfSpan;
}

void SpanWriter::Error(std::string_view message) {
  const size_t status = otlp::OpenMessage(15, out_);
  if (!message.empty()) otlp::PutText(2, message, out_);
  otlp::PutKey(3, otlp::kVarint, out_);
  otlp::PutVarint(kStatusError, out_);
  otlp::CloseMessage(status, out_);
}

void SpanWriter::End() { otlp::CloseMessage(length_at_, out_); }

}  // namespace tulle::telemetry
