#include "sidecar/proxy/trace_headers.h"

#include <algorithm>
#include <array>
#include <span>

namespace tulle::proxy {
namespace {

using http::HeaderId;
using telemetry::B3Decision;
using telemetry::B3Fields;
using telemetry::B3Point;
using telemetry::TracePoint;

constexpr std::string_view kBaggage = "baggage";
constexpr std::string_view kSingleB3 = "b3";
constexpr std::string_view kB3Prefix = "x-b3-";

struct B3Name {
  std::string_view name;
  std::string_view B3Fields::*field;
};
constexpr std::array<B3Name, 5> kB3Names = {{{"x-b3-traceid", &B3Fields::trace},
                                             {"x-b3-spanid", &B3Fields::span},
                                             {"x-b3-parentspanid", &B3Fields::parent},
                                             {"x-b3-sampled", &B3Fields::sampled},
                                             {"x-b3-flags", &B3Fields::flags}}};

// Empty if the header is invalid or occurs several times.
std::optional<TracePoint> ParentIn(const http::HeaderMap& headers) {
  const http::Header* only = nullptr;
  for (const http::Header& header : headers.all()) {
    if (header.id != HeaderId::kTraceparent) continue;
    if (only != nullptr) return std::nullopt;
    only = &header;
  }
  return only == nullptr ? std::nullopt : telemetry::ParseTraceparent(only->value);
}

bool IsStateValid(const http::HeaderMap& headers) {
  size_t size = 0;
  for (const http::Header& header : headers.all()) {
    if (header.id != HeaderId::kTracestate) continue;
    size += header.value.size();
    if (size > telemetry::kMaxTracestate || !telemetry::IsTracestate(header.value)) return false;
  }
  return true;
}

// The headers whose names have no HeaderId, collected in one pass. For all others the length of
// their name is compared, and for few of them more.
class NamedHeaders {
 public:
  explicit NamedHeaders(const http::HeaderMap& headers) {
    for (const http::Header& header : headers.all()) {
      if (header.id == HeaderId::kOther) Read(header);
    }
  }

  bool has_b3() const { return b3_; }
  bool IsBaggageValid() const {
    return baggage_size_ <= telemetry::kMaxBaggage &&
           baggage_members_ <= telemetry::kMaxBaggageMembers;
  }
  // Empty: invalid. Of both forms the single header prevails, as B3 propagation requires.
  std::optional<B3Point> B3() const {
    if (repeated_) return std::nullopt;
    return single_ ? telemetry::ParseB3(*single_) : telemetry::ParseB3(fields_);
  }
  B3Style style() const { return {.single = single_.has_value(), .several = several_}; }

 private:
  void Read(const http::Header& header) {
    switch (header.name.size()) {
      case kBaggage.size():
        if (http::EqualsIgnoreCase(header.name, kBaggage)) ReadBaggage(header.value);
        break;
      case kSingleB3.size():
        if (http::EqualsIgnoreCase(header.name, kSingleB3)) ReadSingle(header.value);
        break;
      case 10:  // the lengths of kB3Names
      case 11:
      case 12:
      case 17:
        if (http::EqualsIgnoreCase(header.name.substr(0, kB3Prefix.size()), kB3Prefix))
          ReadField(header);
        break;
      default:
        break;
    }
  }

  void ReadBaggage(std::string_view value) {
    baggage_size_ += value.size();
    if (baggage_size_ > telemetry::kMaxBaggage) return;
    baggage_members_ += 1 + static_cast<size_t>(std::count(value.begin(), value.end(), ','));
  }

  void ReadSingle(std::string_view value) {
    b3_ = true;
    repeated_ |= single_.has_value();
    single_ = value;
  }

  void ReadField(const http::Header& header) {
    for (const B3Name& one : kB3Names) {
      if (!http::EqualsIgnoreCase(header.name, one.name)) continue;
      b3_ = several_ = true;
      // An empty value is invalid too: it stands for a header that is absent.
      repeated_ |= !(fields_.*one.field).empty() || header.value.empty();
      fields_.*one.field = header.value;
    }
  }

  size_t baggage_size_ = 0;
  size_t baggage_members_ = 0;
  std::optional<std::string_view> single_;
  B3Fields fields_;
  bool b3_ = false;
  bool several_ = false;
  bool repeated_ = false;
};

void RemoveB3(http::HeaderMap& headers) {
  headers.Remove(kSingleB3);
  for (const B3Name& one : kB3Names) headers.Remove(one.name);
}

void TakeB3(const NamedHeaders& named, http::HeaderMap& headers, TraceHeaders& taken) {
  taken.b3 = named.B3();
  if (!taken.b3) return RemoveB3(headers);
  taken.b3_style = named.style();
  taken.b3_style.is_wide = taken.b3->is_wide || !taken.b3->has_trace();
  taken.b3_style.is_debug = taken.b3->decision == B3Decision::kDebug;
}

std::string_view Hex(uint64_t value, Arena& arena) {
  char* text = arena.NewArray<char>(16);
  telemetry::WriteSpanId(value, std::span<char, 16>(text, 16));
  return {text, 16};
}

std::string_view TraceText(const B3Point& context, Arena& arena) {
  if (!context.is_wide) return Hex(context.trace_low, arena);
  return arena.Concat(Hex(context.trace_high, arena), Hex(context.trace_low, arena));
}

void SetSeveral(const B3Point& context, http::HeaderMap& headers) {
  Arena& arena = headers.arena();
  headers.Set("x-b3-traceid", TraceText(context, arena));
  headers.Set("x-b3-spanid", Hex(context.span, arena));
  if (context.parent != 0) headers.Set("x-b3-parentspanid", Hex(context.parent, arena));
  if (context.decision == B3Decision::kDebug) {
    headers.Set("x-b3-flags", "1");  // stands for x-b3-sampled too
  } else {
    headers.Set("x-b3-sampled", context.sampled() ? "1" : "0");
  }
}

}  // namespace

TraceHeaders TakeTraceHeaders(http::HeaderMap& headers) {
  TraceHeaders taken;
  if (headers.Has(HeaderId::kTraceparent)) taken.parent = ParentIn(headers);
  if (headers.Has(HeaderId::kTracestate) && (!taken.parent || !IsStateValid(headers)))
    headers.Remove(HeaderId::kTracestate);
  if (!headers.Has(HeaderId::kOther)) return taken;
  const NamedHeaders named(headers);
  if (!named.IsBaggageValid()) headers.Remove(kBaggage);
  if (named.has_b3()) [[unlikely]]
    TakeB3(named, headers, taken);
  return taken;
}

void SetB3Headers(const B3Style& style, const TracePoint& context, uint64_t parent,
                  http::HeaderMap& headers) {
  if (!style.any()) return;
  B3Point written{context.trace_high, context.trace_low, context.span, parent};
  written.is_wide = style.is_wide || context.trace_high != 0;
  written.decision = !context.sampled() ? B3Decision::kNotSampled
                     : style.is_debug   ? B3Decision::kDebug
                                        : B3Decision::kSampled;
  RemoveB3(headers);
  if (style.several) SetSeveral(written, headers);
  if (!style.single) return;
  char* text = headers.arena().NewArray<char>(telemetry::kLongestB3);
  const size_t size =
      WriteB3(written, std::span<char, telemetry::kLongestB3>(text, telemetry::kLongestB3));
  headers.Set(kSingleB3, {text, size});
}

}  // namespace tulle::proxy
