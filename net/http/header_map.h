#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "net/base/arena.h"

namespace tulle::http {

// Header names that the proxy itself looks at, so that finding one compares a byte. Source: RFC
// 9110, 9112, 9113, and the x- names of anchors in the field.
enum class HeaderId : uint8_t {
  kOther,
  kAccept,
  kAuthorization,
  kConnection,
  kContentLength,
  kContentType,
  kCookie,
  kDate,
  kExpect,
  kGrpcMessage,
  kGrpcStatus,
  kGrpcTimeout,
  kHost,
  kHttp2Settings,
  kKeepAlive,
  kLocation,
  kProxyAuthenticate,
  kProxyAuthorization,
  kProxyConnection,
  kRetryAfter,
  kServer,
  kTe,
  kTraceparent,
  kTracestate,
  kTrailer,
  kTransferEncoding,
  kUpgrade,
  kUserAgent,
  kVia,
  kXEnvoyAttemptCount,
  kXEnvoyExpectedRequestTimeout,
  kXEnvoyOverloaded,
  kXForwardedClientCert,
  kXForwardedFor,
  kXForwardedProto,
  kXRequestId,
  kXTulleHops,
  kCount,
};

// Any case; kOther for what is not in the list.
HeaderId IdOf(std::string_view name);
// Lower case; empty for kOther.
std::string_view NameOf(HeaderId id);
bool EqualsIgnoreCase(std::string_view a, std::string_view b);
// Whether a field of that name may stand in trailers: not framing, routing, authentication or what
// says how to read the body (RFC 9110 6.5.1). A codec drops the others from received trailers.
bool MayBeTrailer(HeaderId id);

struct Header {
  std::string_view name;  // as received: the case is kept
  std::string_view value;
  HeaderId id = HeaderId::kOther;
};

// Headers or trailers of one message, in order, repeated names kept apart. Names and values are
// views: whoever adds a header sees to it that they live as long as the arena (Arena::Copy). No
// allocation but from the arena. Owner: a Head, or whoever collects trailers. Thread: the arena's.
class HeaderMap {
 public:
  explicit HeaderMap(Arena& arena) : arena_(&arena) {}

  void Add(HeaderId id, std::string_view name, std::string_view value);
  void Add(std::string_view name, std::string_view value) { Add(IdOf(name), name, value); }
  // Replaces all of that name by one.
  void Set(HeaderId id, std::string_view value);
  void Set(std::string_view name, std::string_view value);
  void Remove(HeaderId id);
  void Remove(std::string_view name);

  // The first of that name, or null.
  const Header* Find(HeaderId id) const;
  const Header* Find(std::string_view name) const;
  std::string_view Get(HeaderId id) const {
    const Header* header = Find(id);
    return header == nullptr ? std::string_view() : header->value;
  }
  bool Has(HeaderId id) const { return (present_ >> static_cast<int>(id)) & 1; }

  std::span<const Header> all() const { return {entries_, size_}; }
  size_t size() const { return size_; }
  // Sum of name and value lengths, plus 2 a header (": "), for limits.
  size_t bytes() const;
  void Clear();
  Arena& arena() const { return *arena_; }

 private:
  template <typename Match>
  void RemoveIf(Match match);

  Arena* arena_;
  Header* entries_ = nullptr;
  uint32_t size_ = 0;
  uint32_t capacity_ = 0;
  uint64_t present_ = 0;  // bit per HeaderId
};

static_assert(static_cast<int>(HeaderId::kCount) <= 64);

}  // namespace tulle::http
