#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "net/socket/transport.h"

namespace tulle {

// The other end of a FakeTransport: what a test observes and does. Owner: the test; must outlive
// the transport.
class FakePeer {
 public:
  // Creates this peer's transport. Call once.
  std::unique_ptr<Transport> NewTransport();

  // What the connection under test will read. Reported as a level-triggered loop would: as long as
  // the connection wants to read and bytes are left.
  void Send(std::string_view bytes);
  // In the kernel, but not reported yet.
  void Arrive(std::string_view bytes) { pending_ += bytes; }
  void SendEnd();
  void Connected();
  void Fail(Failure failure);
  // Reports again: the connection may want to read by now.
  void Tell();

  // Everything written so far.
  const std::string& received() const { return received_; }
  std::string TakeReceived() { return std::exchange(received_, {}); }
  int writes() const { return writes_; }  // calls of Write that took something
  int reads() const { return reads_; }
  // Writes accept at most this many bytes in total until more space is given.
  void SetRoom(size_t bytes);
  size_t unread() const { return pending_.size(); }

  bool attached() const { return transport_ != nullptr; }  // the transport still exists
  bool reading() const { return reading_; }
  bool write_shut() const { return write_shut_; }
  bool closed() const { return closed_; }
  bool closed_by_reset() const { return reset_; }

 private:
  class FakeTransport;

  FakeTransport* transport_ = nullptr;
  TransportEvents* events_ = nullptr;
  std::string pending_;
  std::string received_;
  size_t room_ = static_cast<size_t>(-1);
  int writes_ = 0;
  int reads_ = 0;
  bool ended_ = false;
  bool end_read_ = false;
  bool reading_ = false;
  bool write_shut_ = false;
  bool closed_ = false;
  bool reset_ = false;
  bool starved_ = false;  // a Write left bytes unwritten
};

}  // namespace tulle
