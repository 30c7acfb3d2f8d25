#pragma once

#include <memory>

#include "net/base/buffer.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"

namespace tulle::toy {

// Sends requests one after another. Now and then it gives up, closes or aborts its connection, and
// reconnects. It is done when all requests were answered or given up; if neither happens, it is
// stuck.
class Client : private TransportEvents {
 public:
  Client(loop::Loop& loop, const SocketAddress& server, int requests);
  ~Client() override;
  bool done() const { return left_ == 0; }
  int answered() const { return answered_; }

 private:
  void OnTransportReady() override;
  void OnTransportReadable() override;
  void OnTransportWritable() override { transport_->Write(pending_); }
  void OnTransportFailed(Failure) override { Again(false); }
  void Dial();
  void Ask();
  void Again(bool reset);
  void Hang(bool reset);

  loop::Loop& loop_;
  const SocketAddress server_;
  int left_;
  int answered_ = 0;
  Buffer received_, pending_;
  std::unique_ptr<loop::Timer> patience_;
  std::unique_ptr<loop::Timer> redial_;
  std::unique_ptr<Transport> transport_;
};

}  // namespace tulle::toy
