#include "control-plane/server/turn_queue.h"

#include <algorithm>

namespace tulle::server {

TurnQueue::TurnQueue(loop::Loop& loop, const Limits& limits)
    : limits_(limits), next_(loop.NewTimer([this] { Serve(); })) {}

TurnQueue::~TurnQueue() {
  for (const Line& line : lines_)
    for (Entry* entry : line.entries) entry->queue_ = nullptr;
}

TurnQueue::Lines::iterator TurnQueue::LineOf(const std::string& source) {
  return std::find_if(lines_.begin(), lines_.end(),
                      [&](const Line& line) { return line.source == source; });
}

TurnQueue::Lines::iterator TurnQueue::Longest() {
  return std::max_element(lines_.begin(), lines_.end(), [](const Line& a, const Line& b) {
    return a.entries.size() < b.entries.size();
  });
}

TurnQueue::Place TurnQueue::Push(const std::string& source, Entry& entry) {
  auto line = LineOf(source);
  const size_t waiting = line == lines_.end() ? 0 : line->entries.size();
  if (waiting >= limits_.most_of_one) return Place::kTooManyOfSource;
  Entry* displaced = nullptr;
  if (size_ >= limits_.most) {
    const auto longest = Longest();
    if (longest == lines_.end() || longest->entries.size() <= waiting + 1) return Place::kTooMany;
    displaced = longest->entries.back();
    Remove(*displaced);
  }
  if (line == lines_.end()) line = lines_.insert(lines_.end(), {source, {}});
  line->entries.push_back(&entry);
  entry.queue_ = this;
  if (++size_ == 1) next_->Start({});
  if (displaced != nullptr) displaced->OnNoRoom();
  return Place::kQueued;
}

void TurnQueue::Remove(Entry& entry) {
  for (auto line = lines_.begin(); line != lines_.end(); ++line) {
    const auto at = std::find(line->entries.begin(), line->entries.end(), &entry);
    if (at == line->entries.end()) continue;
    line->entries.erase(at);
    if (line->entries.empty()) lines_.erase(line);
    break;
  }
  entry.queue_ = nullptr;
  if (--size_ == 0) next_->Stop();
}

void TurnQueue::Serve() {
  const auto line = lines_.begin();
  lines_.splice(lines_.end(), lines_, line);
  Entry& entry = *line->entries.front();
  Remove(entry);
  if (size_ > 0) next_->Start({});
  entry.OnTurn();
}

}  // namespace tulle::server
