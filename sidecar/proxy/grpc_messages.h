#pragma once

#include <cstdint>

#include "net/base/buffer.h"

namespace tulle::proxy {

// Counts the messages of one gRPC body while it passes, without keeping or copying any of it. A
// message counts as soon as its prefix has come. Source: gRPC over HTTP/2, Length-Prefixed-Message:
// a flag, four bytes of length in network order, and as many bytes.
//
// Owner: GrpcBodies. Thread: the worker's.
class GrpcMessages {
 public:
  // The next bytes.
  void Pass(const Buffer& data);
  uint64_t count() const { return count_; }

 private:
  static constexpr uint32_t kPrefix = 5;

  uint64_t count_ = 0;
  uint32_t left_ = 0;    // bytes of the present message that have not come
  uint32_t length_ = 0;  // as far as the prefix has come
  uint32_t prefix_ = 0;  // bytes of it that have come
};

// Of one gRPC call. Owner: its arena.
struct GrpcBodies {
  GrpcMessages request;
  GrpcMessages response;
  bool is_answered_in_grpc = false;  // by content type; other bodies have no messages
};

}  // namespace tulle::proxy
