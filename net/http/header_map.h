#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "net/base/arena.h"

namespace tulle::http {

// Header names that the proxy itself looks up, so that finding one compares a byte. Source: RFC
// 9110, 9112, 9113, and the x- names in common use.
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

// In any case; kOther for unknown names.
HeaderId IdOf(std::string_view name);
// Lower case; empty for kOther.
std::string_view NameOf(HeaderId id);
bool EqualsIgnoreCase(std::string_view a, std::string_view b);
// Whether a field of that name may be sent in trailers: not framing, routing, authentication, or
// the encoding of the body (RFC 9110 6.5.1). A codec drops the others from received trailers.
bool MayBeTrailer(HeaderId id);

struct Header {
  std::string_view name;  // as received: case is preserved
  std::string_view value;
  HeaderId id = HeaderId::kOther;
};

// Headers or trailers of one message, in order, with repeated names kept separate. Names and values
// are views: the caller that adds a header must ensure that they live as long as the arena
// (Arena::Copy). Allocates only from the arena. Owner: a Head, or the collector of trailers.
// Thread: the arena's.
class HeaderMap {
 public:
  explicit HeaderMap(Arena& arena) : arena_(&arena) {}

  void Add(HeaderId id, std::string_view name, std::string_view value);
  void Add(std::string_view name, std::string_view value) { Add(IdOf(name), name, value); }
  // Replaces all fields of that name by one.
  void Set(HeaderId id, std::string_view value);
  void Set(std::string_view name, std::string_view value);
  void Remove(HeaderId id);
  void Remove(std::string_view name);

  // The first field of that name, or null.
  const Header* Find(HeaderId id) const;
  const Header* Find(std::string_view name) const;
  std::string_view Get(HeaderId id) const {
    const Header* header = Find(id);
    return header == nullptr ? std::string_view() : header->value;
  }
  bool Has(HeaderId id) const { return (present_ >> static_cast<int>(id)) & 1; }

  std::span<const Header> all() const { return {entries_, size_}; }
  size_t size() const { return size_; }
  // Sum of name and value lengths, plus 2 per header (": "), for limits.
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
  uint64_t present_ = 0;  // one bit per HeaderId
};

static_assert(static_cast<int>(HeaderId::kCount) <= 64);

}  // namespace tulle::http
