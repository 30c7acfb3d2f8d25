// Requests whose answers cost much, from callers who are unknown: at most one is answered in each
// turn of the loop, so that everything else has its turn between two of them. Sources take turns,
// so that one which sends many waits for its own. When there are too many, the source with the most
// loses its newest.
// Owner: RestServer; outlives its entries. Thread: the loop's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <string>

#include "net/loop/loop.h"

namespace tulle::server {

class TurnQueue {
 public:
  struct Limits {
    size_t most = 0;
    size_t most_of_one = 0;  // source
  };
  enum class Place : uint8_t { kQueued, kTooManyOfSource, kTooMany };

  class Entry {
   public:
    Entry() = default;
    virtual ~Entry() { Cancel(); }
    Entry(const Entry&) = delete;
    // It has left the queue.
    virtual void OnTurn() = 0;
    virtual void OnNoRoom() = 0;
    void Cancel() {
      if (queue_ != nullptr) queue_->Remove(*this);
    }

   private:
    friend class TurnQueue;
    TurnQueue* queue_ = nullptr;  // null: it is in none
  };

  TurnQueue(loop::Loop& loop, const Limits& limits);
  ~TurnQueue();
  TurnQueue(const TurnQueue&) = delete;

  // `source`: see SourceOf(). May call OnNoRoom() of another one.
  Place Push(const std::string& source, Entry& entry);
  size_t size() const { return size_; }

 private:
  struct Line {
    std::string source;
    std::deque<Entry*> entries;  // the oldest first
  };
  using Lines = std::list<Line>;

  Lines::iterator LineOf(const std::string& source);
  Lines::iterator Longest();
  void Remove(Entry& entry);
  void Serve();

  const Limits limits_;
  Lines lines_;  // none is empty; the first is served next
  size_t size_ = 0;
  std::unique_ptr<loop::Timer> next_;
};

}  // namespace tulle::server
