#include "net/http2/testing/pipe_transport.h"

#include <algorithm>

namespace tulle::http2::testing {

Pipe::Pipe(loop::Loop& loop) : directions_{Direction(loop.slab()), Direction(loop.slab())} {}

std::unique_ptr<PipeTransport> Pipe::TakeEnd(int index) {
  auto end = std::make_unique<PipeTransport>(*this, index);
  ends_[index] = end.get();
  return end;
}

bool Pipe::Pump() {
  bool told = false;
  for (PipeTransport* end : ends_) {
    if (end == nullptr || end->closed_ || end->events_ == nullptr) continue;
    Direction& in = end->in();
    if (in.reset) {
      in.reset = false;
      end->closed_ = true;
      end->events_->OnTransportFailed({FailureKind::kUpstreamReset, "reset"});
      told = true;
      continue;
    }
    if (!end->reading_ || (in.bytes.empty() && (!in.ended || in.end_told))) continue;
    told = true;
    end->events_->OnTransportReadable();
  }
  return told;
}

PipeTransport::PipeTransport(Pipe& pipe, int index) : pipe_(pipe), index_(index) {}

PipeTransport::~PipeTransport() { pipe_.ends_[index_] = nullptr; }

ReadResult PipeTransport::Read(Buffer& into, size_t limit) {
  Pipe::Direction& from = in();
  if (from.bytes.empty()) {
    if (!from.ended) return {ReadStatus::kWouldBlock};
    from.end_told = true;
    return {ReadStatus::kEnd};
  }
  const size_t size = std::min(limit, from.bytes.size());
  // Copied, so that the two ends share no blocks, as over a socket.
  Buffer piece(into.slab());
  piece.AppendFront(from.bytes, size);
  into.Append(piece.ToString());
  return {ReadStatus::kOk, size};
}

void PipeTransport::Write(Buffer& from) {
  Pipe::Direction& to = out();
  const size_t size = std::min(to.room, from.size());
  if (to.room != SIZE_MAX) to.room -= size;
  written_ += size;
  to.bytes.AppendFront(from, size);
}

void PipeTransport::GiveRoom(size_t bytes) {
  out().room = bytes;
  if (!closed_ && events_ != nullptr) events_->OnTransportWritable();
}

void PipeTransport::Close(bool reset) {
  if (closed_) return;
  closed_ = true;
  (reset ? out().reset : out().ended) = true;
}

}  // namespace tulle::http2::testing
