#include "control-plane/insight/message_weight.h"

#include <cstdint>
#include <span>

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"

namespace tulle::insight {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

struct Shape;

// A field that is a message. Fields that are not listed weigh 1 and are not looked into.
struct Part {
  int number;
  size_t weight;
  const Shape* shape;
};

struct Shape {
  std::span<const Part> parts;
};

constexpr size_t kRecord = 64;  // it is made safe to show, and copied
constexpr size_t kSpan = 64;
constexpr size_t kSmall = 8;
constexpr Shape kLeaf;

// Source: tulle/insight/v1/insight.proto.
constexpr Part kRecordParts[] = {{32, kSmall, &kLeaf}, {37, kSmall, &kLeaf}, {38, kSmall, &kLeaf}};
constexpr Shape kRecordShape{kRecordParts};
constexpr Part kTrafficParts[] = {{2, kSmall, &kLeaf}, {3, kSmall, &kLeaf}, {4, kSmall, &kLeaf}};
constexpr Shape kTrafficShape{kTrafficParts};
constexpr Part kAnswerParts[] = {{2, kRecord, &kRecordShape}};
constexpr Shape kAnswerShape{kAnswerParts};
constexpr Part kReportParts[] = {
    {1, kSmall, &kTrafficShape}, {2, kRecord, &kRecordShape}, {4, kSmall, &kAnswerShape}};
constexpr Shape kReportShape{kReportParts};

// Source: opentelemetry/proto/collector/trace/v1/trace_service.proto, and what it is made of. A
// value may be a list of values.
struct Attributes {
  static const Shape kValue, kList, kMap, kKeyValue;
};
constexpr Part kValueParts[] = {{5, kSmall, &Attributes::kList}, {6, kSmall, &Attributes::kMap}};
constexpr Part kListParts[] = {{1, kSmall, &Attributes::kValue}};
constexpr Part kMapParts[] = {{1, kSmall, &Attributes::kKeyValue}};
constexpr Part kKeyValueParts[] = {{2, kSmall, &Attributes::kValue}};
constinit const Shape Attributes::kValue{kValueParts};
constinit const Shape Attributes::kList{kListParts};
constinit const Shape Attributes::kMap{kMapParts};
constinit const Shape Attributes::kKeyValue{kKeyValueParts};
constexpr Part kEventParts[] = {{3, kSmall, &Attributes::kKeyValue}};
constexpr Shape kEventShape{kEventParts};
constexpr Part kSpanParts[] = {
    {9, kSmall, &Attributes::kKeyValue}, {11, kSmall, &kEventShape}, {15, kSmall, &kLeaf}};
constexpr Shape kSpanShape{kSpanParts};
constexpr Part kScopeParts[] = {{1, kSmall, &kLeaf}, {2, kSpan, &kSpanShape}};
constexpr Shape kScopeShape{kScopeParts};
constexpr Part kResourceParts[] = {{1, kSmall, &Attributes::kKeyValue}};
constexpr Shape kResourceShape{kResourceParts};
constexpr Part kResourceSpansParts[] = {{1, kSmall, &kResourceShape}, {2, kSmall, &kScopeShape}};
constexpr Shape kResourceSpansShape{kResourceSpansParts};
constexpr Part kExportParts[] = {{1, kSmall, &kResourceSpansShape}};
constexpr Shape kExportShape{kExportParts};

const Part* Find(const Shape& shape, uint32_t tag) {
  if (WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_LENGTH_DELIMITED)
    return nullptr;
  for (const Part& part : shape.parts) {
    if (part.number == WireFormatLite::GetTagFieldNumber(tag)) return &part;
  }
  return nullptr;
}

// Groups are in none of the messages.
bool Skip(CodedInputStream& in, uint32_t tag) {
  uint64_t number = 0;
  int size = 0;
  switch (WireFormatLite::GetTagWireType(tag)) {
    case WireFormatLite::WIRETYPE_VARINT:
      return in.ReadVarint64(&number);
    case WireFormatLite::WIRETYPE_FIXED64:
      return in.Skip(8);
    case WireFormatLite::WIRETYPE_FIXED32:
      return in.Skip(4);
    case WireFormatLite::WIRETYPE_LENGTH_DELIMITED:
      return in.ReadVarintSizeAsInt(&size) && in.Skip(size);
    default:
      return false;
  }
}

bool AddFields(CodedInputStream& in, const Shape& shape, size_t& weight);

bool AddPart(CodedInputStream& in, const Part& part, size_t& weight) {
  weight += part.weight;
  int size = 0;
  if (!in.ReadVarintSizeAsInt(&size)) return false;
  if (part.shape == &kLeaf) return in.Skip(size);
  const auto [outer, depth_left] = in.IncrementRecursionDepthAndPushLimit(size);
  const bool is_whole = depth_left >= 0 && in.BytesUntilLimit() == size;
  return is_whole && AddFields(in, *part.shape, weight) &&
         in.DecrementRecursionDepthAndPopLimit(outer);
}

bool AddFields(CodedInputStream& in, const Shape& shape, size_t& weight) {
  while (const uint32_t tag = in.ReadTag()) {
    if (weight > kHeaviestMessage) return false;
    const Part* part = Find(shape, tag);
    if (part == nullptr) ++weight;
    if (!(part == nullptr ? Skip(in, tag) : AddPart(in, *part, weight))) return false;
  }
  return in.ConsumedEntireMessage();
}

std::optional<size_t> WeightOf(std::string_view bytes, const Shape& shape) {
  CodedInputStream in(reinterpret_cast<const uint8_t*>(bytes.data()),
                      static_cast<int>(bytes.size()));
  size_t weight = 0;
  const bool is_whole = AddFields(in, shape, weight);
  return is_whole || weight > kHeaviestMessage ? std::optional(weight) : std::nullopt;
}

}  // namespace

std::optional<size_t> WeightOfReport(std::string_view bytes) {
  return WeightOf(bytes, kReportShape);
}

std::optional<size_t> WeightOfSpans(std::string_view bytes) {
  return WeightOf(bytes, kExportShape);
}

}  // namespace tulle::insight
