// Writes spans in protobuf's wire format.
#include "telemetry/otlp_span.h"

#include <algorithm>

#include "telemetry/version.h"

namespace tulle::telemetry {
namespace {

// Protobuf's wire format: a field's key is its number and one of these wire types.
constexpr uint32_t kVarint = 0;
constexpr uint32_t kFixed64 = 1;
constexpr uint32_t kBytes = 2;
constexpr uint32_t kFixed32 = 5;

// The size reserved for a length that is known only later; protobuf accepts numbers that are not in
// their shortest form.
constexpr size_t kLengthRoom = 4;
constexpr uint32_t kFlagParentKnown = 0x100;
constexpr uint32_t kFlagParentRemote = 0x200;
constexpr uint64_t kStatusError = 2;

void PutVarint(uint64_t value, std::string& out) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

size_t VarintSize(uint64_t value) {
  size_t size = 1;
  while (value >= 0x80) {
    value >>= 7;
    ++size;
  }
  return size;
}

void PutKey(uint32_t field, uint32_t type, std::string& out) { PutVarint(field << 3 | type, out); }

void PutText(uint32_t field, std::string_view text, std::string& out) {
  PutKey(field, kBytes, out);
  PutVarint(text.size(), out);
  out.append(text);
}

template <typename Number>
void PutLittleEndian(Number value, std::string& out) {
  for (size_t i = 0; i < sizeof value; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

void PutBigEndian(uint64_t value, std::string& out) {
  for (int i = 7; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i)));
}

void PutFixed64(uint32_t field, uint64_t value, std::string& out) {
  PutKey(field, kFixed64, out);
  PutLittleEndian(value, out);
}

size_t OpenMessage(uint32_t field, std::string& out) {
  PutKey(field, kBytes, out);
  out.append(kLengthRoom, '\0');
  return out.size();
}

void CloseMessage(size_t begin, std::string& out) {
  size_t length = out.size() - begin;
  for (size_t i = 0; i < kLengthRoom; ++i) {
    const bool last = i + 1 == kLengthRoom;
    out[begin - kLengthRoom + i] = static_cast<char>((length & 0x7f) | (last ? 0 : 0x80));
    length >>= 7;
  }
}

// A whole KeyValue whose AnyValue holds a text.
void PutAttribute(uint32_t field, std::string_view key, std::string_view value, std::string& out) {
  const size_t any = 1 + VarintSize(value.size()) + value.size();
  const size_t whole = 1 + VarintSize(key.size()) + key.size() + 1 + VarintSize(any) + any;
  PutKey(field, kBytes, out);
  PutVarint(whole, out);
  PutText(1, key, out);
  PutKey(2, kBytes, out);
  PutVarint(any, out);
  PutText(1, value, out);
}

// Protobuf strings must be UTF-8, otherwise a collector rejects the whole request.
bool IsPlain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

constexpr uint32_t kAttributes = 9;

}  // namespace

SpanWriter::SpanWriter(std::string& out, const SpanHead& head)
    : out_(out), length_at_(OpenMessage(2, out)) {
  PutKey(1, kBytes, out_);
  PutVarint(16, out_);
  PutBigEndian(head.context.trace_high, out_);
  PutBigEndian(head.context.trace_low, out_);
  PutKey(2, kBytes, out_);
  PutVarint(8, out_);
  PutBigEndian(head.context.span, out_);
  if (!head.tracestate.empty()) PutText(3, head.tracestate, out_);
  if (head.parent != 0) {
    PutKey(4, kBytes, out_);
    PutVarint(8, out_);
    PutBigEndian(head.parent, out_);
  }
  const std::string_view name = head.name.substr(0, kLongestText);
  PutText(5, IsPlain(name) ? name : "unprintable", out_);
  PutKey(6, kVarint, out_);
  PutVarint(static_cast<uint64_t>(head.kind), out_);
  PutFixed64(7, head.start_ns, out_);
  PutFixed64(8, std::max(head.end_ns, head.start_ns), out_);
  PutKey(16, kFixed32, out_);
  PutLittleEndian<uint32_t>(
      head.context.flags | kFlagParentKnown | (head.parent_is_remote ? kFlagParentRemote : 0),
      out_);
}

void SpanWriter::Text(std::string_view key, std::string_view value) {
  value = value.substr(0, kLongestText);
  if (IsPlain(value)) {
    if (!value.empty()) PutAttribute(kAttributes, key, value, out_);
    return;
  }
  char plain[kLongestText];
  std::replace_copy_if(
      value.begin(), value.end(), plain, [](char c) { return c < 0x20 || c >= 0x7f; }, '?');
  PutAttribute(kAttributes, key, {plain, value.size()}, out_);
}

void SpanWriter::Number(std::string_view key, uint64_t value) {
  const size_t any = 1 + VarintSize(value);
  PutKey(kAttributes, kBytes, out_);
  PutVarint(1 + VarintSize(key.size()) + key.size() + 1 + VarintSize(any) + any, out_);
  PutText(1, key, out_);
  PutKey(2, kBytes, out_);
  PutVarint(any, out_);
  PutKey(3, kVarint, out_);
  PutVarint(value, out_);
}

void SpanWriter::Event(uint64_t at_ns, std::string_view name, std::string_view key,
                       std::string_view value) {
  const size_t event = OpenMessage(11, out_);
  PutFixed64(1, at_ns, out_);
  PutText(2, name, out_);
  if (!value.empty()) PutAttribute(3, key, value, out_);
  CloseMessage(event, out_);
}

void SpanWriter::Error(std::string_view message) {
  const size_t status = OpenMessage(15, out_);
  if (!message.empty()) PutText(2, message, out_);
  PutKey(3, kVarint, out_);
  PutVarint(kStatusError, out_);
  CloseMessage(status, out_);
}

void SpanWriter::End() { CloseMessage(length_at_, out_); }

void AppendResourceAttribute(std::string_view key, std::string_view value, std::string& resource) {
  if (!value.empty()) PutAttribute(1, key, value, resource);
}

std::string MakeExportRequest(std::string_view resource, std::string_view spans) {
  std::string request;
  request.reserve(resource.size() + spans.size() + 128);
  const size_t resource_spans = OpenMessage(1, request);
  PutText(1, resource, request);
  const size_t scope_spans = OpenMessage(2, request);
  const size_t scope = OpenMessage(1, request);
  PutText(1, "tulle", request);
  PutText(2, kVersion, request);
  CloseMessage(scope, request);
  request.append(spans);
  CloseMessage(scope_spans, request);
  CloseMessage(resource_spans, request);
  return request;
}

}  // namespace tulle::telemetry
