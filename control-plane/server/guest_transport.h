// The transport of an accepted connection, which is a guest of its port until it has an identity: a
// peer that shows a client certificate has one when the handshake is done, others when whoever
// serves the connection calls Leave(). A guest that is dismissed sees its transport fail.
//
// Owner: the connection, as of any transport. Thread: the loop's.
#pragma once

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "control-plane/server/guest_list.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"

namespace tulle::server {

class GuestTransport final : public Transport,
                             public GuestList::Guest,
                             private TransportEvents,
                             private loop::TurnEnd {
 public:
  GuestTransport(loop::Loop& loop, std::unique_ptr<Transport> wire);

  void SetEvents(TransportEvents* events) override;
  ReadResult Read(Buffer& into, size_t limit) override;
  void Write(Buffer& from) override;
  void EnableRead(bool enabled) override;
  void ShutdownWrite() override;
  void Close(bool reset) override;

  Failure failure() const override { return is_ended_ ? why_ : wire_->failure(); }
  SocketAddress LocalAddress() const override { return wire_->LocalAddress(); }
  SocketAddress PeerAddress() const override { return wire_->PeerAddress(); }
  SocketAddress OriginalDestination() const override { return wire_->OriginalDestination(); }
  const PeerIdentity* peer() const override { return wire_->peer(); }
  std::vector<std::string_view> peer_chain() const override { return wire_->peer_chain(); }
  bool is_tls() const override { return wire_->is_tls(); }
  std::string_view alpn() const override { return wire_->alpn(); }
  std::string_view sni() const override { return wire_->sni(); }
  bool IsQuiet() override { return wire_->IsQuiet(); }
  uint64_t bytes_written() const override { return wire_->bytes_written(); }
  uint64_t wire_bytes_written() const override { return wire_->wire_bytes_written(); }
  bool ClosedUnreadSince(uint64_t mark) override { return wire_->ClosedUnreadSince(mark); }

  void OnDismissed(Dismissal why) override;

 private:
  void OnTransportReady() override;
  void OnTransportReadable() override;
  void OnTransportWritable() override;
  void OnTransportFailed(Failure failure) override;
  void OnTurnEnd() override;

  loop::Loop& loop_;
  std::unique_ptr<Transport> wire_;
  TransportEvents* events_ = nullptr;
  bool is_ended_ = false;  // dismissed, or closed by its owner
  Failure why_;
};

}  // namespace tulle::server
