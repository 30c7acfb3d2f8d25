// Encodes and decodes grpc-status, grpc-message and grpc-timeout.
#include "net/grpc/status.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "absl/strings/escaping.h"

namespace tulle::grpc {
namespace {

using http::HeaderId;

constexpr char kHex[] = "0123456789ABCDEF";

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

struct Unit {
  char letter;
  int64_t nanoseconds;
};
constexpr std::array<Unit, 6> kUnits = {{{'n', 1},
                                         {'u', 1'000},
                                         {'m', 1'000'000},
                                         {'S', 1'000'000'000},
                                         {'M', 60'000'000'000},
                                         {'H', 3'600'000'000'000}}};

constexpr size_t kLongestDetails = 8192;

// Malformed ones count as none.
std::string DetailsIn(const http::HeaderMap& fields) {
  const http::Header* header = fields.Find("grpc-status-details-bin");
  std::string details;
  if (header == nullptr || header->value.size() > kLongestDetails ||
      !absl::Base64Unescape({header->value.data(), header->value.size()}, &details)) {
    return {};
  }
  return details;
}

}  // namespace

std::string EncodeMessage(std::string_view message) {
  std::string out;
  out.reserve(message.size());
  for (const char c : message) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte >= 0x20 && byte <= 0x7e && c != '%') {
      out += c;
    } else {
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

std::string DecodeMessage(std::string_view encoded) {
  std::string out;
  out.reserve(encoded.size());
  for (size_t i = 0; i < encoded.size(); ++i) {
    const bool pair = encoded[i] == '%' && i + 2 < encoded.size() &&
                      HexValue(encoded[i + 1]) >= 0 && HexValue(encoded[i + 2]) >= 0;
    if (!pair) {
      out += encoded[i];
      continue;
    }
    out += static_cast<char>(HexValue(encoded[i + 1]) * 16 + HexValue(encoded[i + 2]));
    i += 2;
  }
  return out;
}

std::optional<loop::Duration> ParseTimeout(std::string_view text) {
  if (text.size() < 2 || text.size() > 9) return std::nullopt;
  int64_t count = 0;
  const char* last = text.data() + text.size() - 1;
  const auto parsed = std::from_chars(text.data(), last, count);
  if (parsed.ec != std::errc() || parsed.ptr != last || text[0] == '-') return std::nullopt;
  for (const Unit& unit : kUnits) {
    if (unit.letter != *last) continue;
    // 99999999 hours do not fit: treated as infinite.
    const int64_t most = loop::Duration::max().count() / unit.nanoseconds;
    return loop::Duration(std::min(count, most) * unit.nanoseconds);
  }
  return std::nullopt;
}

std::string FormatTimeout(loop::Duration timeout) {
  const int64_t nanoseconds = std::max<int64_t>(timeout.count(), 1);
  for (const Unit& unit : kUnits) {
    const int64_t count = (nanoseconds - 1) / unit.nanoseconds + 1;
    if (count <= 99'999'999) return std::to_string(count) + unit.letter;
  }
  return "99999999H";
}

std::optional<Status> StatusFrom(const http::HeaderMap& fields) {
  if (!fields.Has(HeaderId::kGrpcStatus)) return std::nullopt;
  const std::optional<Code> code = ParseCode(fields.Get(HeaderId::kGrpcStatus));
  return Status{code.value_or(Code::kUnknown), DecodeMessage(fields.Get(HeaderId::kGrpcMessage)),
                DetailsIn(fields)};
}

std::optional<Code> ParseCode(std::string_view text) {
  unsigned code = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), code);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
  if (!whole || code > static_cast<unsigned>(Code::kUnauthenticated)) return std::nullopt;
  return static_cast<Code>(code);
}

void AddStatus(const Status& status, http::HeaderMap& fields) {
  Arena& arena = fields.arena();
  fields.Set(HeaderId::kGrpcStatus, arena.Copy(std::to_string(static_cast<int>(status.code))));
  if (!status.message.empty())
    fields.Set(HeaderId::kGrpcMessage, arena.Copy(EncodeMessage(status.message)));
}

Code CodeOfHttp(int status) {
  switch (status) {
    case 400:
      return Code::kInternal;
    case 401:
      return Code::kUnauthenticated;
    case 403:
      return Code::kPermissionDenied;
    case 404:
      return Code::kUnimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return Code::kUnavailable;
    default:
      return Code::kUnknown;
  }
}

int HttpOfCode(Code code) {
  switch (code) {
    case Code::kOk:
      return 200;
    case Code::kCancelled:
      return 499;
    case Code::kInvalidArgument:
    case Code::kFailedPrecondition:
    case Code::kOutOfRange:
      return 400;
    case Code::kDeadlineExceeded:
      return 504;
    case Code::kNotFound:
      return 404;
    case Code::kAlreadyExists:
    case Code::kAborted:
      return 409;
    case Code::kPermissionDenied:
      return 403;
    case Code::kResourceExhausted:
      return 429;
    case Code::kUnimplemented:
      return 501;
    case Code::kUnavailable:
      return 503;
    case Code::kUnauthenticated:
      return 401;
    case Code::kUnknown:
    case Code::kInternal:
    case Code::kDataLoss:
      break;
  }
  return 500;
}

Status StatusOfFailure(Failure failure) {
  const FailureFacts& facts = failure.facts();
  std::string message(facts.cause);
  if (*failure.detail != '\0') message.append(": ").append(failure.detail);
  return {static_cast<Code>(facts.grpc_status), std::move(message)};
}

}  // namespace tulle::grpc
