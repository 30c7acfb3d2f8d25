// The circuit breakers that proxies report as open, by instance, for status, services and check. In
// memory only: a proxy reports them again on a new connection.
//
// Bounded, whatever the proxies send: a list that does not fit is kept as its count alone.
// Owner: RegistrySource. Thread: the loop's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tulle::registry {

struct OpenBreaker {
  std::string cluster;
  std::string endpoint;  // ADDRESS:PORT
  std::string cause;     // the last failure, such as "connect_failed"; "error_response": an answer
  int64_t since = 0;     // seconds since the epoch

  bool operator==(const OpenBreaker&) const = default;
};

class OpenBreakers {
 public:
  struct Report {
    size_t count = 0;                // of all
    std::vector<OpenBreaker> items;  // the first of them
  };

  // Replaces what the instance, which runs as `identity`, reported before. Items that are not
  // printable or too long are left out.
  void Put(const std::string& instance, std::string_view identity, Report report);
  void Forget(const std::string& instance);
  const Report& Of(const std::string& instance) const;
  // Ordered by instance.
  void ForEach(
      const std::function<void(const std::string& instance, const OpenBreaker&)>& visit) const;
  size_t instances() const { return known_.size(); }

  static constexpr size_t kMostItems = 20000;  // of all instances together
  static constexpr size_t kMostItemsOfOneIdentity = kMostItems / 8;
  static constexpr size_t kMostItemsOfOneInstance = 64;
  static constexpr size_t kMostInstances = 20000;

 private:
  struct Known {
    Report report;
    std::string identity;
  };

  size_t items_ = 0;
  std::map<std::string, Known> known_;
  std::map<std::string, size_t, std::less<>> items_of_;  // by identity
};

}  // namespace tulle::registry
