// Collects, checks and converts header fields between nghttp2 and header maps.
#include "net/http2/header_block.h"

#include <charconv>
#include <cstring>

namespace tulle::http2 {
namespace {

using http::HeaderId;

bool HasControlOrSpace(std::string_view text) {
  for (const char c : text) {
    if (static_cast<uint8_t>(c) <= 0x20 || c == 0x7f) return true;
  }
  return false;
}

bool BelongsToHop(HeaderId id) {
  switch (id) {
    case HeaderId::kConnection:
    case HeaderId::kHost:
    case HeaderId::kHttp2Settings:
    case HeaderId::kKeepAlive:
    case HeaderId::kProxyConnection:
    case HeaderId::kTransferEncoding:
    case HeaderId::kUpgrade:
      return true;
    default:
      return false;
  }
}

}  // namespace

void HeaderBlock::Begin(Kind kind, Arena& arena) {
  *this = HeaderBlock();
  arena_ = &arena;
  kind_ = kind;
  open_ = true;
  if (kind == Kind::kTrailers) {
    trailers_ = arena.New<http::HeaderMap>(arena);
  } else {
    head_ = arena.New<http::Head>(arena);
    head_->version = http::Version::kHttp2;
  }
}

Verdict HeaderBlock::Add(std::string_view name, std::string_view value,
                         const http::Limits& limits) {
  const bool trailers = kind_ == Kind::kTrailers;
  const size_t most_bytes = trailers ? limits.trailer_bytes : limits.head_bytes;
  const size_t most_count = trailers ? limits.trailer_count : limits.header_count;
  const bool pseudo = name.starts_with(':');
  bytes_ += name.size() + value.size() + 2;
  count_ += pseudo ? 0 : 1;
  if (bytes_ > most_bytes || count_ > most_count) return Verdict::kTooLarge;
  if (pseudo) return AddPseudo(name, arena_->Copy(value));
  const HeaderId id = http::IdOf(name);
  const std::string_view kept = id == HeaderId::kOther ? arena_->Copy(name) : http::NameOf(id);
  return AddField(id, kept, arena_->Copy(value));
}

// nghttp2 ensures that each is known, occurs once, and precedes all fields.
Verdict HeaderBlock::AddPseudo(std::string_view name, std::string_view value) {
  if (trailers_ != nullptr) return Verdict::kMalformed;
  if (name == ":method") {
    head_->method = value;
    head_->upgrade_wanted = value == "CONNECT";
  } else if (name == ":scheme") {
    // Any other character could change the meaning of an HTTP/1 request line.
    if (value != "http" && value != "https") return Verdict::kMalformed;
    head_->scheme = value;
  } else if (name == ":authority") {
    if (HasControlOrSpace(value)) return Verdict::kMalformed;
    head_->authority = value;
  } else if (name == ":path") {
    if (value.empty() || HasControlOrSpace(value)) return Verdict::kMalformed;
    head_->path = value;
  } else if (name == ":status") {
    std::from_chars(value.data(), value.data() + value.size(), head_->status);
    if (head_->status < 100 || head_->status > 999) return Verdict::kMalformed;
  }
  return Verdict::kOk;
}

Verdict HeaderBlock::AddField(HeaderId id, std::string_view name, std::string_view value) {
  if (trailers_ != nullptr) {
    if (http::MayBeTrailer(id)) trailers_->Add(id, name, value);
    return Verdict::kOk;
  }
  switch (id) {
    case HeaderId::kHost:
      if (kind_ != Kind::kRequest) return Verdict::kOk;
      if (HasControlOrSpace(value)) return Verdict::kMalformed;
      host_ = value;
      return Verdict::kOk;
    case HeaderId::kConnection:
    case HeaderId::kKeepAlive:
    case HeaderId::kProxyConnection:
    case HeaderId::kTransferEncoding:
    case HeaderId::kUpgrade:
      return Verdict::kMalformed;
    case HeaderId::kHttp2Settings:
      return Verdict::kOk;
    case HeaderId::kTe:
      if (value != "trailers") return Verdict::kMalformed;
      break;
    case HeaderId::kExpect:
      if (kind_ == Kind::kRequest && http::EqualsIgnoreCase(value, "100-continue")) {
        head_->expects_continue = true;
        return Verdict::kOk;
      }
      break;
    case HeaderId::kContentLength: {
      const char* end = value.data() + value.size();
      const auto parsed = std::from_chars(value.data(), end, head_->content_length);
      if (parsed.ec != std::errc() || parsed.ptr != end || head_->content_length < 0)
        return Verdict::kMalformed;
      break;
    }
    case HeaderId::kCookie:
      ++cookies_;
      break;
    default:
      break;
  }
  head_->headers.Add(id, name, value);
  return Verdict::kOk;
}

Verdict HeaderBlock::Finish() {
  open_ = false;
  if (head_ == nullptr) return Verdict::kOk;
  if (cookies_ > 1) JoinCookies();
  if (kind_ != Kind::kRequest) return Verdict::kOk;
  // RFC 9113 8.3.1: a Host that differs is malformed; alone it replaces :authority.
  if (head_->authority.empty()) {
    head_->authority = host_;
  } else if (!host_.empty() && !http::EqualsIgnoreCase(host_, head_->authority)) {
    return Verdict::kMalformed;
  }
  return Verdict::kOk;
}

// RFC 9113 8.2.3.
void HeaderBlock::JoinCookies() {
  size_t size = 0;
  for (const http::Header& header : head_->headers.all()) {
    if (header.id == HeaderId::kCookie) size += header.value.size() + 2;
  }
  char* joined = arena_->NewArray<char>(size);
  char* at = joined;
  for (const http::Header& header : head_->headers.all()) {
    if (header.id != HeaderId::kCookie) continue;
    if (at != joined) {
      *at++ = ';';
      *at++ = ' ';
    }
    std::memcpy(at, header.value.data(), header.value.size());
    at += header.value.size();
  }
  head_->headers.Set(HeaderId::kCookie, {joined, static_cast<size_t>(at - joined)});
}

FieldList::FieldList(const http::Head& head, Kind kind, bool secure, Slab& slab) : slab_(slab) {
  Reserve(head.headers.size() + 4);
  if (kind == Kind::kResponse) {
    status_[0] = static_cast<char>('0' + head.status / 100 % 10);
    status_[1] = static_cast<char>('0' + head.status / 10 % 10);
    status_[2] = static_cast<char>('0' + head.status % 10);
    Add(":status", {status_, 3});
  } else {
    Add(":method", head.method);
    const bool connect = head.method == "CONNECT";
    if (!connect) Add(":scheme", !head.scheme.empty() ? head.scheme : secure ? "https" : "http");
    if (!head.authority.empty()) Add(":authority", head.authority);
    if (!connect) Add(":path", head.path);
  }
  AddAll(head.headers);
}

FieldList::FieldList(const http::HeaderMap& trailers, Slab& slab) : slab_(slab) {
  Reserve(trailers.size());
  AddAll(trailers);
}

FieldList::~FieldList() {
  if (fields_ != nullptr) slab_.Free(fields_, capacity_ * sizeof(nghttp2_nv));
}

void FieldList::Reserve(size_t count) {
  capacity_ = count + 1;
  fields_ = static_cast<nghttp2_nv*>(slab_.Allocate(capacity_ * sizeof(nghttp2_nv)));
}

void FieldList::Add(std::string_view name, std::string_view value) {
  // nghttp2 takes pointers to mutable bytes and copies them without writing.
  const auto bytes = [](std::string_view text) {
    return const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(text.data()));
  };
  fields_[size_++] = {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

void FieldList::AddAll(const http::HeaderMap& headers) {
  for (const http::Header& header : headers.all()) {
    if (BelongsToHop(header.id)) continue;
    if (header.id == HeaderId::kTe && !http::EqualsIgnoreCase(header.value, "trailers")) continue;
    Add(header.name, header.value);
  }
}

}  // namespace tulle::http2
