#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "xds/client/delta_client.h"

namespace tulle::scale {

using Clock = std::chrono::steady_clock;

// The address of the endpoint that a Mover moves: its number is in the last two bytes.
inline constexpr std::string_view kMoverPrefix = "10.250.";
std::string MoverAddress(int number);
// The number of the moved endpoint in a ClusterLoadAssignment; empty: it has none.
std::optional<int> MoverNumberIn(std::string_view bytes);

// What the imitated sidecars have received, and when. An update counts when it was taken: its
// acknowledgement is sent in the same turn of the loop.
//
// Owner: the measurement. Thread: any; Crews report, the measurement asks.
class Witness {
 public:
  // -- from the crews
  void OnUpdate(int proxy, const xds::Update& update);
  // The first response on a stream came, and the sidecar holds a lease of the registry.
  void OnReady(int proxy);
  void OnLost(int proxy);
  // It holds every listener that it uses, their routes, clusters and endpoints.
  void OnServed(int proxy);
  void OnError(const std::string& error);

  // -- from the measurement
  // From now on counts the proxies that receive a resource of this type and name (empty: any).
  void Expect(std::string_view type_url, std::string_view name);
  struct Seen {
    size_t proxies = 0;
    Clock::time_point last{};  // when the latest of them received the resource for the first time
    Clock::time_point final_update{};  // of any proxy and resource
  };
  Seen seen();
  size_t ready();
  size_t served();
  // When the last proxy became ready.
  Clock::time_point ready_since();
  // From now on remembers when each proxy sees which number of the moved endpoint.
  void WatchMover(std::string_view endpoints);
  // When each watching proxy had seen `number` or a later one; the latest of them. Empty: one of
  // `proxies` has not.
  std::optional<Clock::time_point> AllSaw(int number, size_t proxies);
  // The first few errors, and how many there were.
  std::vector<std::string> errors();
  size_t error_count();

 private:
  struct Sighting {
    int number = 0;
    Clock::time_point at{};
  };

  std::mutex mutex_;
  std::string expected_type_;
  std::string expected_name_;
  std::set<int> received_;
  Seen seen_;
  std::set<int> ready_;
  Clock::time_point ready_since_{};
  std::set<int> served_;
  std::string moved_;
  std::map<int, std::vector<Sighting>> sightings_;  // by proxy
  std::vector<std::string> errors_;
  size_t error_count_ = 0;
};

}  // namespace tulle::scale
