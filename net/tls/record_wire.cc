// A BIO over a socket that borrows its buffers from the slab.
#include "net/tls/record_wire.h"

#include <errno.h>
#include <openssl/bio.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <string>

namespace tulle::tls {
namespace {

constexpr size_t kInputBlock = Slab::kLargest;
constexpr size_t kSlicesPerWrite = 64;

}  // namespace

bssl::UniquePtr<BIO> RecordWire::NewBio() {
  bssl::UniquePtr<BIO> bio(BIO_new(Method()));
  if (bio == nullptr) return nullptr;
  BIO_set_data(bio.get(), this);
  BIO_set_init(bio.get(), 1);
  return bio;
}

const BIO_METHOD* RecordWire::Method() {
  // Created once and never freed: SSLs of every worker point to it.
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "tulle record wire");
    BIO_meth_set_read(made, BioRead);
    BIO_meth_set_write(made, BioWrite);
    BIO_meth_set_ctrl(made, BioControl);
    return made;
  }();
  return method;
}

int RecordWire::BioRead(BIO* bio, char* out, int length) {
  auto& wire = *static_cast<RecordWire*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (!wire.has_input()) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const size_t count = std::min(static_cast<size_t>(length), wire.input_end_ - wire.input_at_);
  std::memcpy(out, wire.input_ + wire.input_at_, count);
  wire.input_at_ += count;
  if (!wire.has_input()) wire.DropInput();
  return static_cast<int>(count);
}

int RecordWire::BioWrite(BIO* bio, const char* bytes, int length) {
  auto& wire = *static_cast<RecordWire*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  wire.output_.Append(std::string_view(bytes, static_cast<size_t>(length)));
  return length;
}

long RecordWire::BioControl(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

void RecordWire::AllocateInput(size_t size) {
  input_size_ = size;
  input_ = static_cast<char*>(slab_.Allocate(size));
  input_at_ = input_end_ = 0;
}

void RecordWire::DropInput() {
  if (input_ != nullptr) slab_.Free(input_, input_size_);
  input_ = nullptr;
  input_at_ = input_end_ = 0;
}

ssize_t RecordWire::Fill(loop::Socket& socket, size_t limit) {
  assert(!has_input());
  AllocateInput(kInputBlock);
  const iovec piece{input_, std::min(limit, input_size_)};
  const ssize_t count = socket.Readv({&piece, 1});
  if (count > 0) {
    input_end_ = static_cast<size_t>(count);
  } else {
    DropInput();
  }
  return count;
}

void RecordWire::Preload(const Buffer& bytes) {
  if (bytes.empty()) return;
  AllocateInput(std::max(kInputBlock, bytes.size()));
  std::array<iovec, 1> slice;
  Buffer rest(slab_);
  rest.AppendShared(bytes);
  while (rest.Gather(slice) == 1) {
    std::memcpy(input_ + input_end_, slice[0].iov_base, slice[0].iov_len);
    input_end_ += slice[0].iov_len;
    rest.Drain(slice[0].iov_len);
  }
}

int RecordWire::Flush(loop::Socket& socket) {
  if (output_.empty()) return 0;
  std::array<iovec, kSlicesPerWrite> slices;
  const size_t slice_count = static_cast<size_t>(output_.Gather(slices));
  const ssize_t count = socket.Writev({slices.data(), slice_count});
  if (count < 0) return static_cast<int>(count);
  output_.Drain(static_cast<size_t>(count));
  written_ += static_cast<uint64_t>(count);
  return output_.empty() ? 0 : -EAGAIN;
}

}  // namespace tulle::tls
