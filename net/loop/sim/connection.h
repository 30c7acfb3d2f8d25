#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>

#include "net/base/socket_address.h"
#include "net/loop/loop.h"

namespace tulle::sim {

class Network;
class Link;

// Notified that one end of a connection may have changed; asks the connection for its state.
class EndObserver {
 public:
  virtual ~EndObserver() = default;
  virtual void OnEndChanged() = 0;
};

// One TCP connection as the two kernels and the wire between them see it: bounded buffers, segments
// in flight, FIN and RST. Side 0 connected, side 1 was accepted.
//
// Owner: shared by its sockets, the listener's queue and the segments in flight. Results are
// counts or negative errno, as in loop::Socket.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  struct Address {
    int host;
    SocketAddress at;
  };
  Connection(Network& network, Link& link, const Address& from, const Address& to);

  // Sends SYN. Call once, after the creator holds the connection.
  void Start();
  // Instead of Start, when no host has the address: no answer comes until the kernel gives up.
  void StartUnanswered();
  // Null: no observer (not accepted yet).
  void SetObserver(int side, EndObserver* observer) { ends_[side].observer = observer; }

  ssize_t Read(int side, std::span<const iovec> into);
  ssize_t Write(int side, std::span<const iovec> from);
  int ShutdownWrite(int side);
  // The socket on that side was closed. Sends RST if requested or if bytes were left unread,
  // otherwise FIN.
  void Close(int side, bool reset);
  int TakeError(int side);

  // Both ends see a reset at once: a fault of the network.
  void Abort();
  bool IsEstablished() const {
    return ends_[0].open && ends_[1].open && !ends_[0].dead && !ends_[1].dead;
  }
  bool IsBetween(int host, int other) const {
    const int a = ends_[0].address.host, b = ends_[1].address.host;
    return (a == host && b == other) || (a == other && b == host);
  }

  bool IsReadable(int side) const;
  bool IsWritable(int side) const;
  bool HasError(int side) const { return ends_[side].error != 0; }
  // Of the bytes that side has written: how many the other side's kernel has received and
  // acknowledged.
  uint64_t acknowledged(int side) const { return ends_[side].acknowledged; }
  const SocketAddress& address(int side) const { return ends_[side].address.at; }
  // The destination that side 0 dialled, if it was redirected.
  const SocketAddress& wanted() const { return wanted_; }
  void SetWanted(const SocketAddress& wanted) { wanted_ = wanted; }

 private:
  enum class Kind : uint8_t { kSyn, kSynAck, kRefusal, kData, kFin, kReset };
  struct Segment {
    Kind kind;
    std::string bytes;
    uint64_t acknowledges = 0;  // bytes that its sender had received by then
  };
  struct End {
    Address address;
    EndObserver* observer = nullptr;
    bool open = false;    // established
    bool closed = false;  // its socket is gone
    bool dead = false;    // RST came or went
    int error = 0;        // SO_ERROR, negative
    // From the other side.
    std::deque<std::string> received;
    size_t front_offset = 0;
    size_t received_bytes = 0;
    bool fin_received = false;
    // To the other side.
    bool fin_sent = false;
    size_t outstanding = 0;  // written, and not yet known to be read
    uint64_t ever_received = 0;
    uint64_t acknowledged = 0;
    std::deque<Segment> in_flight;
    loop::Instant wire_free_at{};
    loop::Instant last_arrival{};
  };

  void Send(int from, Kind kind, std::string bytes = {});
  void Deliver(int from);
  void DeliverSegment(int from, Segment segment);
  void DeliverSyn();
  void Acknowledge(int reader, size_t bytes);
  void AcknowledgeReceipt(int receiver);
  void Die(int side, int error);
  void Tell(int side);

  Network& network_;
  Link& link_;
  std::array<End, 2> ends_;
  SocketAddress wanted_;
};

}  // namespace tulle::sim
