// What workloads say that they cannot do (a listener whose port is in use), and why registrations
// were refused, by instance, for status and check. In memory only: a workload repeats it.
// Owner: RegistrySource. Thread: the loop's.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace tulle::registry {

class ReportedProblems {
 public:
  using Texts = std::vector<std::string>;

  // Of a registered instance, until its next report; empty: none. True: they have changed.
  bool Report(const std::string& instance, Texts texts);
  // A registration was refused; kept for a minute, in which an instance tries again. True: it is
  // news.
  bool Refuse(const std::string& instance, std::string why, std::chrono::milliseconds now);
  void Forget(const std::string& instance) { known_.erase(instance); }
  Texts Of(const std::string& instance, std::chrono::milliseconds now) const;

 private:
  static constexpr size_t kMostInstances = 10000;
  static constexpr size_t kMostTexts = 10;
  static constexpr size_t kLongestText = 500;
  static constexpr std::chrono::milliseconds kRefusedFor{60000};

  struct Known {
    Texts texts;
    std::chrono::milliseconds until{0};  // 0: until the next report
  };

  bool Put(const std::string& instance, Known known);

  std::map<std::string, Known> known_;
};

}  // namespace tulle::registry
