// The guests of one port: connections whose callers have not proved who they are. They may be few
// and stay for a short time. When there is one too many, the oldest one of the address that has the
// most must leave: whoever floods a port gets in their own way first, and whoever came last has the
// time to prove an identity. Connections with an identity are not counted.
//
// Owner: a Door; the guests leave before it is destroyed. Thread: the loop's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "net/base/intrusive_list.h"
#include "net/base/socket_address.h"
#include "net/loop/deadlines.h"
#include "net/loop/loop.h"

namespace tulle::server {

enum class Dismissal : uint8_t { kNoRoom, kTimeout };

class GuestList {
 public:
  struct Limits {
    size_t most = 512;
    // From the beginning of the handshake to an identity. Zero: any time.
    loop::Duration patience = std::chrono::seconds(5);
  };

  class Guest : public ListNode<Guest> {
   public:
    Guest() = default;
    virtual ~Guest() { Leave(); }
    Guest(const Guest&) = delete;
    // The connection must be closed. It is not in the list any more. Not called from inside a call
    // of the guest's own.
    virtual void OnDismissed(Dismissal why) = 0;
    // It has proved an identity, or it is closed.
    void Leave() {
      if (list_ != nullptr) list_->Remove(*this);
    }
    bool is_guest() const { return list_ != nullptr; }

   private:
    friend class GuestList;
    GuestList* list_ = nullptr;  // null: it is in none
    SocketAddress from_;
    uint64_t number_ = 0;  // in order of arrival
    loop::Deadline deadline_{this, [](void* self) {
                               auto& guest = *static_cast<Guest*>(self);
                               guest.list_->Dismiss(guest, Dismissal::kTimeout);
                             }};
  };

  GuestList(loop::Deadlines& deadlines, const Limits& limits)
      : deadlines_(deadlines), limits_(limits) {}
  ~GuestList();
  GuestList(const GuestList&) = delete;

  // May dismiss another one.
  void Admit(Guest& guest, const SocketAddress& from);

  size_t size() const { return size_; }
  uint64_t dismissed(Dismissal why) const { return dismissed_[static_cast<size_t>(why)]; }
  // Where the last one that was dismissed came from.
  const SocketAddress& last_dismissed() const { return last_dismissed_; }

 private:
  struct Group {
    IntrusiveList<Guest> guests;  // the oldest first
    size_t count = 0;
  };

  void Remove(Guest& guest);
  void Dismiss(Guest& guest, Dismissal why);
  void MakeRoom();

  loop::Deadlines& deadlines_;
  const Limits limits_;
  std::map<std::string, Group> groups_;  // by SourceOf()
  size_t size_ = 0;
  uint64_t last_number_ = 0;
  std::array<uint64_t, 2> dismissed_{};  // by Dismissal
  SocketAddress last_dismissed_;
};

// What is counted as one source: an IPv4 address, or the /64 network of an IPv6 address, whose
// hosts may use any address of it.
std::string SourceOf(const SocketAddress& address);

}  // namespace tulle::server
