// What has happened in the mesh lately: policies changed, proxies connected, certificates refused.
// Equal events are one that is counted. In memory, as long as the process runs. Knows no protocol.
// Owner: ControlPlane. Thread: the loop's. Times in seconds since the epoch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace tulle::insight {

// What an event is about: a proxy, a policy, an identity.
struct EventSubject {
  std::string kind;
  std::string ns = {};  // empty: it has none
  std::string name = {};
};

struct Event {
  enum class Type { kNormal, kWarning };

  Type type = Type::kNormal;
  std::string reason;  // one word, for programs: "ProxyConnected"
  EventSubject subject;
  std::string message;
  // Whose doing it was: a SPIFFE ID or the name of a credential; empty: somebody unknown.
  std::string actor = {};
  // Every replica of the control plane sees the same: their counts are not added up.
  bool is_of_all = false;
  // Set by the book.
  uint64_t count = 0;
  int64_t first_at = 0;
  int64_t last_at = 0;
};

class EventBook {
 public:
  static constexpr size_t kMostEvents = 1000;
  // Of one actor, all that are unknown together: beyond this its own oldest event goes.
  static constexpr size_t kMostOfOne = 200;

  // Texts are made safe to show (SafeText). If the book is full, the most frequent reason loses its
  // oldest event: ten thousand sidecars that connect again do not hide who changed a policy.
  void Add(Event event, int64_t now);

  // Those that happened last at `from` or later, the oldest first; of more than `most` the newest.
  std::vector<Event> Since(int64_t from, size_t most = kMostEvents) const;
  size_t size() const { return events_.size(); }

 private:
  using Events = std::list<Event>;  // in order of last_at
  // Type, reason, kind, namespace, name, message, actor.
  using Key = std::tuple<Event::Type, std::string, std::string, std::string, std::string,
                         std::string, std::string>;

  static Key KeyOf(const Event& event);
  template <typename Matches>
  void DropOldest(Matches matches);
  void MakeRoom(const std::string& actor);

  Events events_;
  std::map<Key, Events::iterator> known_;
  std::map<std::string, size_t> of_actor_;   // none is 0
  std::map<std::string, size_t> of_reason_;  // the same
};

}  // namespace tulle::insight
