#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "net/base/slab.h"
#include "net/http/connection.h"
#include "net/http/head.h"

namespace tulle::http2 {

enum class Verdict : uint8_t {
  kOk,
  kTooLarge,   // over the limits: the stream ends
  kMalformed,  // the stream ends with PROTOCOL_ERROR
};

// One header block of a stream while it is decoded: fields go into the request's arena, are counted
// against the limits (each cookie crumb separately) and checked for what nghttp2 accepts wrongly.
// Sources: RFC 9113 8.2, 8.3. Owner: a stream. Thread: the session's. Order: Begin, Add for each
// field, Finish; then the results are valid, until the next Begin.
class HeaderBlock {
 public:
  enum class Kind : uint8_t { kRequest, kResponse, kTrailers };

  void Begin(Kind kind, Arena& arena);
  Verdict Add(std::string_view name, std::string_view value, const http::Limits& limits);
  // All fields were added: joins cookies, determines the authority.
  Verdict Finish();

  bool open() const { return open_; }
  // The results are not needed: not open() until the next Begin.
  void Skip() { open_ = false; }
  Kind kind() const { return kind_; }
  // In the arena. head: requests and responses; trailers: kTrailers.
  http::Head* head() const { return head_; }
  http::HeaderMap* trailers() const { return trailers_; }

 private:
  Verdict AddPseudo(std::string_view name, std::string_view value);
  Verdict AddField(http::HeaderId id, std::string_view name, std::string_view value);
  void JoinCookies();

  Arena* arena_ = nullptr;
  http::Head* head_ = nullptr;
  http::HeaderMap* trailers_ = nullptr;
  std::string_view host_;
  size_t bytes_ = 0;
  size_t count_ = 0;
  size_t cookies_ = 0;
  Kind kind_ = Kind::kRequest;
  bool open_ = false;
};

// The fields of a head or of trailers in nghttp2's form; views of their source. HTTP/1 hop-by-hop
// fields are left out.
class FieldList {
 public:
  enum class Kind : uint8_t { kRequest, kResponse };

  FieldList(const http::Head& head, Kind kind, bool secure, Slab& slab);
  FieldList(const http::HeaderMap& trailers, Slab& slab);
  ~FieldList();
  FieldList(const FieldList&) = delete;
  FieldList& operator=(const FieldList&) = delete;

  const nghttp2_nv* data() const { return fields_; }
  size_t size() const { return size_; }

 private:
  void Reserve(size_t count);
  void Add(std::string_view name, std::string_view value);
  void AddAll(const http::HeaderMap& headers);

  Slab& slab_;
  nghttp2_nv* fields_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
  char status_[3];
};

}  // namespace tulle::http2
