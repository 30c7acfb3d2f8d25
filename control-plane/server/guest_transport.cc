#include "control-plane/server/guest_transport.h"

namespace tulle::server {

GuestTransport::GuestTransport(loop::Loop& loop, std::unique_ptr<Transport> wire)
    : loop_(loop), wire_(std::move(wire)) {}

void GuestTransport::SetEvents(TransportEvents* events) {
  events_ = events;
  if (!is_ended_) wire_->SetEvents(this);
}

ReadResult GuestTransport::Read(Buffer& into, size_t limit) {
  if (is_ended_) return {ReadStatus::kFailed};
  return wire_->Read(into, limit);
}

void GuestTransport::Write(Buffer& from) {
  if (!is_ended_) wire_->Write(from);
}

void GuestTransport::EnableRead(bool enabled) {
  if (!is_ended_) wire_->EnableRead(enabled);
}

void GuestTransport::ShutdownWrite() {
  if (!is_ended_) wire_->ShutdownWrite();
}

void GuestTransport::Close(bool reset) {
  Leave();
  static_cast<ListNode<loop::TurnEnd>&>(*this).Unlink();
  if (!std::exchange(is_ended_, true)) wire_->Close(reset);
}

void GuestTransport::OnDismissed(Dismissal why) {
  if (std::exchange(is_ended_, true)) return;
  why_ = {FailureKind::kDownstreamClosed, why == Dismissal::kTimeout
                                              ? "no identity was proved in time"
                                              : "too many connections without an identity"};
  wire_->Close(true);
  loop_.AtTurnEnd(*this);
}

// The owner was not told from inside another connection's call.
void GuestTransport::OnTurnEnd() {
  if (events_ != nullptr) events_->OnTransportFailed(why_);
}

void GuestTransport::OnTransportReady() {
  if (wire_->peer() != nullptr) Leave();
  events_->OnTransportReady();
}

void GuestTransport::OnTransportReadable() { events_->OnTransportReadable(); }

void GuestTransport::OnTransportWritable() { events_->OnTransportWritable(); }

void GuestTransport::OnTransportFailed(Failure failure) { events_->OnTransportFailed(failure); }

}  // namespace tulle::server
