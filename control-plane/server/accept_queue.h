// Accepted sockets whose handshakes have yet to begin, since a handshake costs a thousand times as
// much as accepting. Sources take turns: one that opens many connections waits for its own, and a
// source that opens one is served next. When there are too many, the source with the most loses its
// oldest, whose client has waited longest and may have given up.
// Owner: a Door. Thread: the loop's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "net/loop/loop.h"

namespace tulle::server {

class AcceptQueue {
 public:
  // `source`: see SourceOf(). At most `most` are kept.
  void Push(std::string source, std::unique_ptr<loop::Socket> socket, size_t most) {
    const auto [at, is_new] = by_source_.try_emplace(source);
    if (is_new) {
      lines_.push_back({std::move(source), {}});
      at->second = std::prev(lines_.end());
    }
    at->second->sockets.push_back(std::move(socket));
    if (++size_ > most) DropOne();
  }
  // REQUIRES: not empty.
  std::unique_ptr<loop::Socket> Pop() {
    const auto line = lines_.begin();
    lines_.splice(lines_.end(), lines_, line);
    return TakeOldest(line);
  }
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  uint64_t dropped() const { return dropped_; }

 private:
  struct Line {
    std::string source;
    std::deque<std::unique_ptr<loop::Socket>> sockets;  // the oldest first
  };
  using Lines = std::list<Line>;

  std::unique_ptr<loop::Socket> TakeOldest(Lines::iterator line) {
    std::unique_ptr<loop::Socket> socket = std::move(line->sockets.front());
    line->sockets.pop_front();
    --size_;
    if (line->sockets.empty()) {
      by_source_.erase(line->source);
      lines_.erase(line);
    }
    return socket;
  }
  void DropOne() {
    auto longest = lines_.begin();
    for (auto line = lines_.begin(); line != lines_.end(); ++line) {
      if (line->sockets.size() > longest->sockets.size()) longest = line;
    }
    TakeOldest(longest)->ResetOnClose();
    ++dropped_;
  }

  Lines lines_;  // none is empty; the first is served next
  std::unordered_map<std::string, Lines::iterator> by_source_;
  size_t size_ = 0;
  uint64_t dropped_ = 0;
};

}  // namespace tulle::server
