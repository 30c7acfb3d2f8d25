// Header names with ids, and lookups and changes in a header map.
#include "net/http/header_map.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace tulle::http {
namespace {

constexpr std::array<std::string_view, static_cast<size_t>(HeaderId::kCount)> kNames = {
    "",
    "accept",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "grpc-message",
    "grpc-status",
    "grpc-timeout",
    "host",
    "http2-settings",
    "keep-alive",
    "location",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "retry-after",
    "server",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-envoy-attempt-count",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-overloaded",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-request-id",
    "x-tulle-hops",
};

constexpr char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// Length, first and last letter distinguish the names well enough: a bucket holds one name, rarely
// two.
constexpr size_t kBuckets = 256;
constexpr size_t Bucket(std::string_view name) {
  const size_t hash = name.size() * 7 + static_cast<uint8_t>(Lower(name.front())) * 31 +
                      static_cast<uint8_t>(Lower(name.back())) * 131;
  return hash % kBuckets;
}

struct Buckets {
  std::array<uint8_t, kBuckets> first{};
  std::array<uint8_t, kNames.size()> next{};
};

constexpr Buckets kTable = [] {
  Buckets table;
  for (size_t id = 1; id < kNames.size(); ++id) {
    const size_t bucket = Bucket(kNames[id]);
    table.next[id] = table.first[bucket];
    table.first[bucket] = static_cast<uint8_t>(id);
  }
  return table;
}();

uint64_t Word(const char* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

// The first and the last four bytes of four to eight.
uint64_t Ends(std::string_view text) {
  uint32_t first, last;
  std::memcpy(&first, text.data(), 4);
  std::memcpy(&last, text.data() + text.size() - 4, 4);
  return uint64_t{first} << 32 | last;
}

// Whether eight bytes differ only in the case of ASCII letters.
bool EqualWords(uint64_t a, uint64_t b) {
  constexpr uint64_t kEach = 0x0101010101010101;
  const uint64_t difference = a ^ b;
  if (difference == 0) return true;
  if (difference & ~(kEach * 0x20)) return false;
  const uint64_t low = (a | kEach * 0x20) & kEach * 0x7f;
  const uint64_t from_a = low + kEach * (0x80 - 'a');
  const uint64_t after_z = low + kEach * (0x7f - 'z');
  const uint64_t letters = ~a & from_a & ~after_z & kEach * 0x80;
  return (difference << 2 & ~letters) == 0;
}

// A name without id. The map knows whether it has any.
struct Named {
  std::string_view name;
  bool operator()(const Header& header) const {
    return header.id == HeaderId::kOther && EqualsIgnoreCase(header.name, name);
  }
};

}  // namespace

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  const size_t size = a.size();
  if (size != b.size()) return false;
  if (size >= 8) {
    for (size_t at = 0; at + 8 < size; at += 8) {
      if (!EqualWords(Word(a.data() + at), Word(b.data() + at))) return false;
    }
    return EqualWords(Word(a.data() + size - 8), Word(b.data() + size - 8));
  }
  if (size >= 4) return EqualWords(Ends(a), Ends(b));
  for (size_t i = 0; i < size; ++i) {
    if (Lower(a[i]) != Lower(b[i])) return false;
  }
  return true;
}

HeaderId IdOf(std::string_view name) {
  if (name.empty()) return HeaderId::kOther;
  for (uint8_t id = kTable.first[Bucket(name)]; id != 0; id = kTable.next[id]) {
    if (EqualsIgnoreCase(kNames[id], name)) return static_cast<HeaderId>(id);
  }
  return HeaderId::kOther;
}

bool MayBeTrailer(HeaderId id) {
  switch (id) {
    case HeaderId::kAuthorization:
    case HeaderId::kConnection:
    case HeaderId::kContentLength:
    case HeaderId::kContentType:
    case HeaderId::kCookie:
    case HeaderId::kExpect:
    case HeaderId::kHost:
    case HeaderId::kHttp2Settings:
    case HeaderId::kKeepAlive:
    case HeaderId::kProxyAuthenticate:
    case HeaderId::kProxyAuthorization:
    case HeaderId::kProxyConnection:
    case HeaderId::kTe:
    case HeaderId::kTrailer:
    case HeaderId::kTransferEncoding:
    case HeaderId::kUpgrade:
    case HeaderId::kXForwardedClientCert:
    case HeaderId::kXForwardedFor:
    case HeaderId::kXForwardedProto:
      return false;
    default:
      return true;
  }
}

std::string_view NameOf(HeaderId id) { return kNames[static_cast<size_t>(id)]; }

void HeaderMap::Add(HeaderId id, std::string_view name, std::string_view value) {
  if (size_ == capacity_) {
    const uint32_t capacity = capacity_ == 0 ? 24 : capacity_ * 2;
    Header* grown = arena_->NewArray<Header>(capacity);
    if (size_ > 0) std::memcpy(static_cast<void*>(grown), entries_, size_ * sizeof(Header));
    entries_ = grown;
    capacity_ = capacity;
  }
  entries_[size_++] = {name, value, id};
  present_ |= uint64_t{1} << static_cast<int>(id);
}

void HeaderMap::Set(HeaderId id, std::string_view value) {
  Remove(id);
  Add(id, NameOf(id), value);
}

void HeaderMap::Set(std::string_view name, std::string_view value) {
  const HeaderId id = IdOf(name);
  if (id != HeaderId::kOther) {
    Remove(id);
  } else if (Has(id)) {
    RemoveIf(Named{name});
  }
  Add(id, name, value);
}

template <typename Match>
void HeaderMap::RemoveIf(Match match) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < size_; ++i) {
    if (!match(entries_[i])) entries_[kept++] = entries_[i];
  }
  size_ = kept;
}

void HeaderMap::Remove(HeaderId id) {
  if (!Has(id)) return;
  RemoveIf([id](const Header& header) { return header.id == id; });
  present_ &= ~(uint64_t{1} << static_cast<int>(id));
}

void HeaderMap::Remove(std::string_view name) {
  const HeaderId id = IdOf(name);
  if (id != HeaderId::kOther) return Remove(id);
  if (!Has(id)) return;
  RemoveIf(Named{name});
}

const Header* HeaderMap::Find(HeaderId id) const {
  if (!Has(id)) return nullptr;
  for (const Header& header : all()) {
    if (header.id == id) return &header;
  }
  return nullptr;
}

const Header* HeaderMap::Find(std::string_view name) const {
  const HeaderId id = IdOf(name);
  if (id != HeaderId::kOther) return Find(id);
  if (!Has(id)) return nullptr;
  const Named wanted{name};
  for (const Header& header : all()) {
    if (wanted(header)) return &header;
  }
  return nullptr;
}

size_t HeaderMap::bytes() const {
  size_t total = 0;
  for (const Header& header : all()) total += header.name.size() + header.value.size() + 2;
  return total;
}

void HeaderMap::Clear() {
  size_ = 0;
  present_ = 0;
}

}  // namespace tulle::http
