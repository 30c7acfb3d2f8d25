// Reads and writes the transport, and closes it without losing the last bytes.
#include "net/http1/wire.h"

#include <algorithm>
#include <utility>

namespace tulle::http1 {
namespace {
constexpr size_t kReadBytes = 64 * 1024;
}  // namespace

Wire::Wire(loop::Loop& loop, loop::Deadlines& deadlines, std::unique_ptr<Transport> transport,
           WireEvents& events)
    : loop_(loop),
      deadlines_(deadlines),
      transport_(std::move(transport)),
      events_(events),
      in_(loop.slab()),
      out_(loop.slab()),
      close_deadline_(this, [](void* self) { static_cast<Wire*>(self)->Finish(true); }) {
  transport_->SetEvents(this);
}

Wire::~Wire() {
  Close(false);
  transport_->SetEvents(nullptr);
  loop_.DeferDelete(std::move(transport_));
}

void Wire::Wake() { loop_.AtTurnEnd(*this); }

void Wire::WantInput(bool wanted) {
  wanted = wanted && !ended_;
  if (wanted == reading_) return;
  reading_ = wanted;
  transport_->EnableRead(wanted);
}

bool Wire::ReadNow() {
  if (ended_) return false;
  const ReadStatus status = transport_->Read(in_, kReadBytes).status;
  if (status == ReadStatus::kEnd || status == ReadStatus::kFailed) {
    WantInput(false);
    ended_ = true;
  }
  return status == ReadStatus::kOk;
}

bool Wire::TakeBytes(size_t credit, Buffer& out) {
  out.AppendFront(in_, std::min(credit, in_.size()));
  WantInput(in_.empty());
  return in_.empty() && ended_ && !failed();
}

void Wire::ShutdownAfterOutput() {
  shutdown_due_ = true;
  Wake();
}

void Wire::OnTransportReady() { events_.OnWireReady(); }

void Wire::OnTransportReadable() {
  if (!reading_) return;
  const ReadResult result = transport_->Read(in_, kReadBytes);
  switch (result.status) {
    case ReadStatus::kWouldBlock:
      return;
    case ReadStatus::kFailed:
      return OnTransportFailed(transport_->failure());
    case ReadStatus::kEnd:
      WantInput(false);
      ended_ = true;
      if (state_ == State::kLingering) return Finish(false);
      break;
    case ReadStatus::kOk:
      if (closing()) return in_.Clear();
      break;
  }
  if (!closing()) events_.OnWireInput();
}

void Wire::OnTransportWritable() {
  write_blocked_ = false;
  Flush();
}

void Wire::OnTransportFailed(Failure failure) {
  if (closed() || failed()) return;  // a failed read may have reported it already
  ended_ = true;
  reading_ = false;
  failure_ = failure ? failure : Failure{FailureKind::kInternal, "the transport failed"};
  out_.Clear();
  if (closing()) return Finish(true);
  events_.OnWireFailed(failure_);
}

void Wire::OnTurnEnd() {
  events_.OnWireTurn();
  if (!closed()) Flush();
}

void Wire::Flush() {
  const size_t before = out_.size();
  if (before > 0 && !write_blocked_ && !failed()) {
    transport_->Write(out_);
    write_blocked_ = !out_.empty();
    written_ += before - out_.size();
    if (state_ == State::kFlushing && write_blocked_)
      deadlines_.Set(close_deadline_, close_timeout_);
    if (state_ == State::kOpen && out_.size() < before) events_.OnWireOutput();
  }
  if (!out_.empty()) return;
  if (shutdown_due_ && !failed()) {
    shutdown_due_ = false;
    transport_->ShutdownWrite();
  }
  if (state_ != State::kFlushing) return;
  if (failed() || ended_) return Finish(failed());
  state_ = State::kLingering;
  transport_->ShutdownWrite();
  deadlines_.Set(close_deadline_, close_timeout_);
  WantInput(true);
}

void Wire::CloseAfterOutput(loop::Duration timeout) {
  if (closing()) return;
  state_ = State::kFlushing;
  close_timeout_ = timeout;
  deadlines_.Set(close_deadline_, close_timeout_);
  in_.Clear();
  Wake();
}

void Wire::Finish(bool reset) {
  if (closed()) return;
  Close(reset);
  events_.OnWireClosed();
}

void Wire::Close(bool reset) {
  if (closed()) return;
  state_ = State::kClosed;
  ended_ = true;
  reading_ = false;
  close_deadline_.Clear();
  in_.Clear();
  out_.Clear();
  transport_->Close(reset);
}

}  // namespace tulle::http1
