// TCP in the simulation: segments, acknowledgements, FIN and RST.
#include "net/loop/sim/connection.h"

#include <errno.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "net/loop/sim/link.h"
#include "net/loop/sim/network.h"

namespace tulle::sim {
namespace {

constexpr loop::Duration kReceiptDelay = std::chrono::microseconds(50);
// Linux's default: a SYN is retransmitted six times.
constexpr loop::Duration kConnectGivenUp = std::chrono::seconds(127);

size_t TotalOf(std::span<const iovec> pieces) {
  size_t total = 0;
  for (const iovec& piece : pieces) total += piece.iov_len;
  return total;
}

std::string_view NameOf(int kind) {
  static constexpr std::string_view kNames[] = {"syn", "syn-ack", "refusal", "data", "fin", "rst"};
  return kNames[kind];
}

}  // namespace

Connection::Connection(Network& network, Link& link, const Address& from, const Address& to)
    : network_(network), link_(link) {
  ends_[0].address = from;
  ends_[1].address = to;
}

void Connection::Start() { Send(0, Kind::kSyn); }

void Connection::StartUnanswered() {
  network_.events().Schedule(network_.now() + kConnectGivenUp,
                             [self = shared_from_this()] { self->Die(0, -ETIMEDOUT); });
}

bool Connection::IsReadable(int side) const {
  const End& end = ends_[side];
  return end.received_bytes > 0 || end.fin_received || end.dead || end.error != 0;
}

bool Connection::IsWritable(int side) const {
  const End& end = ends_[side];
  if (end.dead || end.error != 0) return true;
  const size_t capacity = network_.plan().socket_buffer;
  return end.open && end.outstanding <= capacity - capacity / 4;
}

ssize_t Connection::Read(int side, std::span<const iovec> into) {
  End& end = ends_[side];
  const size_t wanted = TotalOf(into);
  if (end.received_bytes == 0) {
    if (end.fin_received) return 0;  // as in Linux: ignores whatever came after the FIN
    if (end.error != 0) return std::exchange(end.error, 0);
    return end.dead ? 0 : -EAGAIN;
  }
  const size_t count = network_.DrawShort(std::min(wanted, end.received_bytes));
  size_t done = 0;
  for (const iovec& piece : into) {
    for (size_t filled = 0; filled < piece.iov_len && done < count;) {
      const std::string& front = end.received.front();
      const size_t here =
          std::min({piece.iov_len - filled, count - done, front.size() - end.front_offset});
      std::memcpy(static_cast<char*>(piece.iov_base) + filled, front.data() + end.front_offset,
                  here);
      filled += here;
      done += here;
      end.front_offset += here;
      if (end.front_offset < front.size()) continue;
      end.received.pop_front();
      end.front_offset = 0;
    }
  }
  end.received_bytes -= done;
  Acknowledge(side, done);
  return static_cast<ssize_t>(done);
}

void Connection::Acknowledge(int reader, size_t bytes) {
  if (ends_[reader].dead) return;
  const loop::Instant at = network_.now() + link_.DrawLatency();
  network_.events().Schedule(link_.PassableAt(at), [self = shared_from_this(), reader, bytes] {
    End& writer = self->ends_[1 - reader];
    writer.outstanding -= bytes;
    self->Tell(1 - reader);
  });
}

// The kernel's own acknowledgement, sent on receipt. It draws no random number, so that it moves no
// other event.
void Connection::AcknowledgeReceipt(int receiver) {
  const loop::Instant at = link_.PassableAt(network_.now() + kReceiptDelay);
  const uint64_t all = ends_[receiver].ever_received;
  network_.events().Schedule(at, [self = shared_from_this(), receiver, all] {
    uint64_t& acknowledged = self->ends_[1 - receiver].acknowledged;
    acknowledged = std::max(acknowledged, all);
  });
}

ssize_t Connection::Write(int side, std::span<const iovec> from) {
  End& end = ends_[side];
  if (end.error != 0) return std::exchange(end.error, 0);
  if (end.dead || end.fin_sent) return -EPIPE;
  const size_t capacity = network_.plan().socket_buffer;
  const size_t total = TotalOf(from);
  if (!end.open || (total > 0 && end.outstanding >= capacity)) return -EAGAIN;
  const size_t count = network_.DrawShort(std::min(total, capacity - end.outstanding));
  end.outstanding += count;
  std::string segment;
  size_t left = count;
  for (const iovec& piece : from) {
    const char* at = static_cast<const char*>(piece.iov_base);
    for (size_t used = 0; used < piece.iov_len && left > 0;) {
      const size_t room = network_.plan().maximum_segment - segment.size();
      const size_t here = std::min({piece.iov_len - used, left, room});
      segment.append(at + used, here);
      used += here;
      left -= here;
      if (here == room) Send(side, Kind::kData, std::exchange(segment, {}));
    }
  }
  if (!segment.empty()) Send(side, Kind::kData, std::move(segment));
  return static_cast<ssize_t>(count);
}

int Connection::ShutdownWrite(int side) {
  End& end = ends_[side];
  if (end.dead || !end.open) return -ENOTCONN;
  if (!std::exchange(end.fin_sent, true)) Send(side, Kind::kFin);
  return 0;
}

void Connection::Close(int side, bool reset) {
  End& end = ends_[side];
  end.observer = nullptr;
  end.closed = true;
  const bool connecting = side == 0 && !end.open;
  // A SYN in flight cannot be taken back: whoever answers it gets RST.
  if (end.dead || connecting) return;
  if (reset || end.received_bytes > 0) {
    end.dead = true;
    // Bytes waiting in the kernel are discarded; bytes on the wire may still arrive before the RST.
    if (reset && network_.FlipCoin()) {
      for (Segment& segment : end.in_flight) segment.bytes.clear();
    }
    Send(side, Kind::kReset);
  } else if (!std::exchange(end.fin_sent, true)) {
    Send(side, Kind::kFin);
  }
}

int Connection::TakeError(int side) { return std::exchange(ends_[side].error, 0); }

void Connection::Send(int from, Kind kind, std::string bytes) {
  End& end = ends_[from];
  const loop::Duration on_wire(bytes.size() * 1'000'000'000 / network_.plan().bytes_per_second);
  end.wire_free_at = std::max(end.wire_free_at, network_.now()) + on_wire;
  end.last_arrival = std::max(end.last_arrival, end.wire_free_at + link_.DrawLatency());
  end.in_flight.push_back({kind, std::move(bytes), end.ever_received});
  network_.events().Schedule(end.last_arrival,
                             [self = shared_from_this(), from] { self->Deliver(from); });
}

// Segments of one direction arrive in the order sent, whatever delays one of them: each event
// delivers the oldest.
void Connection::Deliver(int from) {
  End& sender = ends_[from];
  const loop::Instant passable = link_.PassableAt(network_.now());
  if (passable > network_.now()) {
    sender.last_arrival = std::max(sender.last_arrival, passable);
    network_.events().Schedule(passable,
                               [self = shared_from_this(), from] { self->Deliver(from); });
    return;
  }
  Segment segment = std::move(sender.in_flight.front());
  sender.in_flight.pop_front();
  network_.RecordDelivery(ends_[1 - from].address.host, NameOf(static_cast<int>(segment.kind)),
                          segment.bytes);
  if (!ends_[1 - from].dead) DeliverSegment(from, std::move(segment));
}

void Connection::DeliverSegment(int from, Segment segment) {
  const int to = 1 - from;
  End& receiver = ends_[to];
  receiver.acknowledged = std::max(receiver.acknowledged, segment.acknowledges);
  switch (segment.kind) {
    case Kind::kSyn:
      return DeliverSyn();
    case Kind::kSynAck:
      if (receiver.closed) {
        receiver.dead = true;
        return Send(to, Kind::kReset);
      }
      receiver.open = true;
      break;
    case Kind::kRefusal:
      return Die(to, -ECONNREFUSED);
    case Kind::kData:
      if (segment.bytes.empty()) return;
      if (network_.RollReset()) return Abort();
      if (receiver.closed) {
        receiver.dead = true;
        return Send(to, Kind::kReset);
      }
      receiver.received_bytes += segment.bytes.size();
      receiver.ever_received += segment.bytes.size();
      AcknowledgeReceipt(to);
      receiver.received.push_back(std::move(segment.bytes));
      break;
    case Kind::kFin:
      receiver.fin_received = true;
      break;
    case Kind::kReset:
      return Die(to, receiver.fin_received ? -EPIPE : -ECONNRESET);
  }
  Tell(to);
}

void Connection::DeliverSyn() {
  if (!network_.OfferToListener(shared_from_this(), ends_[1].address.host, ends_[1].address.at)) {
    ends_[1].dead = true;
    return Send(1, Kind::kRefusal);
  }
  ends_[1].open = true;
  Send(1, Kind::kSynAck);
}

void Connection::Abort() {
  Die(0, -ECONNRESET);
  Die(1, -ECONNRESET);
}

void Connection::Die(int side, int error) {
  End& end = ends_[side];
  if (end.dead) return;
  end.dead = true;
  end.error = error;
  Tell(side);
}

void Connection::Tell(int side) {
  if (ends_[side].observer != nullptr) ends_[side].observer->OnEndChanged();
}

}  // namespace tulle::sim
