// What replicas of the control plane tell each other about a step of a rotation: which of the
// cluster's pods are ready for the next one. A pod's sidecar is connected to one replica, and that
// one alone knows it. A statement does not name the pods: it has their number and the sum of their
// hashes, so its size does not depend on them. All pods are ready when the statements add up to all
// of them. See docs/decisions/0029.
//
// Pure. Owner and thread: server::StepWatch's. Times of a monotonic clock, passed in.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tulle::ca {

// A set of pods, of which only equality can be told.
class PodSum {
 public:
  void Add(std::string_view uid);
  void Add(const PodSum& pods);
  // As ToText() wrote it. Nullopt: it is not valid.
  static std::optional<PodSum> Parse(std::string_view text);
  std::string ToText() const;  // hexadecimal
  uint64_t count() const { return words_[0]; }

  bool operator==(const PodSum&) const = default;

 private:
  std::array<uint64_t, 5> words_{};  // how many, and the sum of each quarter of SHA-256
};

struct Statement {
  std::string step;    // which one it is about
  PodSum ready;        // and connected to this replica
  bool waits = false;  // for workloads that are not pods

  static std::optional<Statement> Parse(std::string_view text);
  std::string ToText() const;
};

class StepAgreement {
 public:
  using Time = std::chrono::milliseconds;
  // Whoever has not repeated a statement for so long has ended, or is cut off: its sidecars connect
  // to other replicas, which then count them. Other workloads may be known to that replica alone.
  static constexpr Time kLasts{15'000};

  // All statements of other replicas as they are now, by replica.
  void Hear(const std::map<std::string, std::string>& statements, Time now);
  // What they say together about this step. kWait: it still waits if a replica last said so that
  // says nothing any more.
  enum class Silent { kWait, kIgnored };
  Statement Sum(const std::string& step, Time now, Silent silent) const;
  // Names of the replicas that have last said that they wait for workloads that are not pods.
  struct Waiting {
    std::vector<std::string> heard;
    std::vector<std::string> silent;  // and say nothing any more
  };
  Waiting WhoWaits(const std::string& step, Time now) const;

 private:
  struct Heard {
    std::string text;
    Time changed{0};
  };
  std::map<std::string, Heard> heard_;  // by replica
};

}  // namespace tulle::ca
