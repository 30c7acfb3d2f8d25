#pragma once

#include <openssl/base.h>

#include <cstdint>
#include <span>
#include <string_view>

#include "net/base/buffer.h"
#include "net/base/slab.h"
#include "net/loop/loop.h"

namespace tulle::tls {

// The encrypted side of one TLS connection: bytes read from the socket and not yet consumed by the
// SSL, and bytes produced by the SSL and not yet written to the socket. The SSL sees it as a BIO.
//
// A block of 64 KiB is taken from the loop's slab for a read and returned as soon as the SSL has
// consumed it all: thanks to the slab's free list all connections share one buffer. An idle
// connection holds none.
class RecordWire {
 public:
  explicit RecordWire(Slab& slab) : slab_(slab), output_(slab) {}
  ~RecordWire() { DropInput(); }
  RecordWire(const RecordWire&) = delete;
  RecordWire& operator=(const RecordWire&) = delete;

  // The BIO borrows this object, which must outlive it.
  bssl::UniquePtr<BIO> NewBio();

  // One read system call of at most `limit` bytes: returns the count, 0 at the peer's FIN, or
  // negative errno. REQUIRES: no input is left.
  ssize_t Fill(loop::Socket& socket, size_t limit);
  void Preload(const Buffer& bytes);
  bool has_input() const { return input_at_ < input_end_; }
  void DropInput();

  // One write system call: returns 0 when everything is written, -EAGAIN, or another negative
  // errno.
  int Flush(loop::Socket& socket);
  bool has_output() const { return !output_.empty(); }
  // Bytes accepted by sockets.
  uint64_t written() const { return written_; }
  size_t output_size() const { return output_.size(); }
  void DropOutput() { output_.Clear(); }

 private:
  static int BioRead(BIO* bio, char* out, int length);
  static int BioWrite(BIO* bio, const char* bytes, int length);
  static long BioControl(BIO* bio, int command, long number, void* pointer);
  static const BIO_METHOD* Method();
  void AllocateInput(size_t size);

  Slab& slab_;
  char* input_ = nullptr;
  size_t input_size_ = 0;
  size_t input_at_ = 0;
  size_t input_end_ = 0;
  Buffer output_;
  uint64_t written_ = 0;
};

}  // namespace tulle::tls
