#include "control-plane/server/guest_list.h"

#include <string_view>

namespace tulle::server {

std::string SourceOf(const SocketAddress& address) {
  constexpr size_t kNetworkBytes = 8;
  const std::string_view bytes = address.ip_bytes();
  return std::string(address.is_v6() ? bytes.substr(0, kNetworkBytes) : bytes);
}

GuestList::~GuestList() {
  while (!groups_.empty()) Remove(groups_.begin()->second.guests.front());
}

void GuestList::Admit(Guest& guest, const SocketAddress& from) {
  guest.list_ = this;
  guest.from_ = from;
  guest.number_ = ++last_number_;
  Group& group = groups_[SourceOf(from)];
  group.guests.PushBack(guest);
  ++group.count;
  ++size_;
  if (limits_.patience > loop::Duration{0}) deadlines_.Set(guest.deadline_, limits_.patience);
  if (size_ > limits_.most) MakeRoom();
}

void GuestList::Remove(Guest& guest) {
  const auto group = groups_.find(SourceOf(guest.from_));
  guest.Unlink();
  guest.deadline_.Clear();
  guest.list_ = nullptr;
  --size_;
  if (--group->second.count == 0) groups_.erase(group);
}

void GuestList::Dismiss(Guest& guest, Dismissal why) {
  ++dismissed_[static_cast<size_t>(why)];
  last_dismissed_ = guest.from_;
  Remove(guest);
  guest.OnDismissed(why);
}

void GuestList::MakeRoom() {
  Guest* first = nullptr;
  size_t most = 0;
  for (auto& [address, group] : groups_) {
    Guest& oldest = group.guests.front();
    if (group.count < most) continue;
    if (group.count == most && first->number_ < oldest.number_) continue;
    first = &oldest;
    most = group.count;
  }
  Dismiss(*first, Dismissal::kNoRoom);
}

}  // namespace tulle::server
