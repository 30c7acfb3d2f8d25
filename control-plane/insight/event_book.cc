#include "control-plane/insight/event_book.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "control-plane/insight/request_records.h"

namespace tulle::insight {
namespace {

constexpr size_t kLongestName = 253;

void CountDown(std::map<std::string, size_t>* counts, const std::string& name) {
  const auto found = counts->find(name);
  if (--found->second == 0) counts->erase(found);
}

void MakeSafe(Event* event) {
  event->subject.ns = SafeText(std::move(event->subject.ns), kLongestName);
  event->subject.name = SafeText(std::move(event->subject.name), kLongestName);
  event->message = SafeText(std::move(event->message));
  event->actor = SafeText(std::move(event->actor));
}

}  // namespace

EventBook::Key EventBook::KeyOf(const Event& event) {
  return {event.type,         event.reason,  event.subject.kind, event.subject.ns,
          event.subject.name, event.message, event.actor};
}

template <typename Matches>
void EventBook::DropOldest(Matches matches) {
  const auto oldest = std::find_if(events_.begin(), events_.end(), matches);
  known_.erase(KeyOf(*oldest));
  CountDown(&of_actor_, oldest->actor);
  CountDown(&of_reason_, oldest->reason);
  events_.erase(oldest);
}

void EventBook::MakeRoom(const std::string& actor) {
  const auto of = of_actor_.find(actor);
  if (of != of_actor_.end() && of->second >= kMostOfOne)
    DropOldest([&](const Event& each) { return each.actor == actor; });
  if (events_.size() < kMostEvents) return;
  const auto most = std::max_element(
      of_reason_.begin(), of_reason_.end(),
      [](const auto& one, const auto& other) { return one.second < other.second; });
  DropOldest([reason = most->first](const Event& each) { return each.reason == reason; });
}

void EventBook::Add(Event event, int64_t now) {
  MakeSafe(&event);
  // A clock that was ahead must not disturb the order, nor date what comes later.
  for (auto each = events_.rbegin(); each != events_.rend() && each->last_at > now; ++each) {
    each->last_at = now;
    each->first_at = std::min(each->first_at, now);
  }
  event.last_at = now;
  if (const auto found = known_.find(KeyOf(event)); found != known_.end()) {
    ++found->second->count;
    found->second->last_at = now;
    events_.splice(events_.end(), events_, found->second);
    return;
  }
  MakeRoom(event.actor);
  event.first_at = now;
  event.count = 1;
  ++of_actor_[event.actor];
  ++of_reason_[event.reason];
  events_.push_back(std::move(event));
  known_.emplace(KeyOf(events_.back()), std::prev(events_.end()));
}

std::vector<Event> EventBook::Since(int64_t from, size_t most) const {
  auto first = events_.end();
  for (size_t taken = 0; taken < most && first != events_.begin(); ++taken) {
    if (std::prev(first)->last_at < from) break;
    --first;
  }
  return {first, events_.end()};
}

}  // namespace tulle::insight
