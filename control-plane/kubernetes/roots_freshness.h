// Whether the roots that this replica has are still those of the Secret. Asks the API server for
// the Secret's version every 2 s; such a read is never answered from a cache. If the answer is
// older than 8 s, another replica may have gone on with a rotation: this one then signs nothing and
// tells no sidecar about roots. After 20 s it counts as cut off from the API server.
//
// Each replica measures this by its own clock, from when it sent the question. So 8 s after a
// version was written, every replica that acts has that version or a later one.
//
// Owner: KubernetesLink. Thread: the loop's. Order: Start() once. What goes wrong is logged.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "control-plane/kubernetes/problem_log.h"
#include "k8s/api/client.h"
#include "net/loop/loop.h"
#include "telemetry/log.h"

namespace tulle::kubernetes {

class RootsFreshness {
 public:
  static constexpr loop::Duration kEvery = std::chrono::seconds(2);
  static constexpr loop::Duration kLasts = std::chrono::seconds(8);
  static constexpr loop::Duration kCutOff = std::chrono::seconds(20);

  // References outlive this. `on_change`: is_current() or is_cut_off() is another one.
  RootsFreshness(loop::Loop& loop, k8s::Client& client, telemetry::Log& log,
                 std::function<void()> on_change);

  void Start();
  // The watch has reported this version of the Secret, and it was adopted, or no replica can.
  void OnAdopted(const std::string& version);

  bool is_current() const { return loop_.Now() < confirmed_at_ + kLasts && is_confirmed_; }
  bool is_cut_off() const { return loop_.Now() >= confirmed_at_ + kCutOff; }
  uint64_t times_cut_off() const { return times_cut_off_; }

 private:
  void Ask();
  void OnAnswer(const k8s::Answer& answer, loop::Instant sent);
  void Compare();
  void OnDeadline();

  loop::Loop& loop_;
  k8s::Client& client_;
  telemetry::Log& log_;
  const std::function<void()> on_change_;
  ProblemLog problems_;
  std::unique_ptr<k8s::Call> call_;
  std::unique_ptr<loop::Timer> next_;
  std::unique_ptr<loop::Timer> deadline_;  // of kLasts, then of kCutOff
  std::string adopted_;                    // version
  std::string asked_;                      // version by the last answer
  loop::Instant asked_at_{};
  loop::Instant confirmed_at_{};  // or when this was started
  bool is_confirmed_ = false;
  bool was_cut_off_ = false;
  uint64_t times_cut_off_ = 0;
};

}  // namespace tulle::kubernetes
