#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

#include "net/loop/loop.h"
#include "sidecar/upstream/cluster_spec.h"

namespace tulle::upstream {

// The result of one attempt, as far as it says something about the endpoint.
enum class Outcome : uint8_t {
  kNothing,       // our own refusal, the caller cancelled, or an idle connection had been closed
  kGood,          // a response below 500
  kOverloaded,    // 429: a success for the breaker, slow for a latency-based balancer
  kServerError,   // 500, 501 and so on, except the next
  kGatewayError,  // 502, 503, 504
  kNoAnswer,      // a reset or a timeout on an established connection
  kUnreachable,   // no connection: refused, not established in time, TLS failed
  kGaveUp,        // the request ended while its connection was being established
};

enum class BreakerState : uint8_t { kClosed, kOpen, kTrial };

// The circuit breaker of one endpoint, shared by all workers. Closed: requests pass. Open: no
// requests until its time is over. Then exactly one attempt, over all workers, is the trial: if it
// succeeds the breaker closes, otherwise it opens again for twice as long. There is no timer: time
// is checked when a request wants to pass.
//
// Each change of state begins a generation; results of attempts from an older generation are
// ignored. Owner: SharedEndpoint. Any thread; lock-free. Source: Cluster.outlier_detection, without
// its periodic sweep and its return by time alone.
class Breaker {
 public:
  // The right to one attempt; exactly one Report must follow.
  struct Pass {
    uint16_t generation = 0;
    bool trial = false;
    bool operator==(const Pass&) const = default;
  };
  // For an attempt that was made without asking.
  static constexpr Pass kNoPass{0xffff, false};

  // Empty: open, or another request has the trial.
  std::optional<Pass> TryPass(loop::Instant now);
  // True: there were enough consecutive failures to open; call Open if the cluster allows it.
  bool Report(Pass pass, Outcome outcome, const BreakerSpec& spec, loop::Instant now,
              loop::Random& random);
  // True: this call has opened it.
  bool Open(Pass pass, const BreakerSpec& spec, loop::Instant now, loop::Random& random);

  // Whether such an attempt fails a trial.
  static bool IsFailure(Outcome outcome, const BreakerSpec& spec) {
    const Effect effect = EffectOf(outcome, spec);
    return effect != Effect::kNone && effect != Effect::kSuccess;
  }

  BreakerState state() const;
  // When it opened, unless it is closed. Failed trials do not change it.
  loop::Instant opened_at() const {
    return loop::Instant(std::chrono::milliseconds(opened_at_.load(std::memory_order_relaxed)));
  }
  // When a trial may be requested: now or earlier if closed, Instant::max() while another request
  // has the trial.
  loop::Instant due() const;

 private:
  // state_: the breaker's state. run_: consecutive failures while it is closed, in one generation.
  struct Word;
  struct Run;
  enum class Effect : uint8_t { kNone, kSuccess, kError, kGatewayError, kUnreachable };
  static Effect EffectOf(Outcome outcome, const BreakerSpec& spec);
  static uint64_t Pack(const Word& word);
  static Word Unpack(uint64_t bits);
  bool CountFailure(Pass pass, Effect effect, const BreakerSpec& spec);
  void EndTrial(Pass pass, Effect effect, const BreakerSpec& spec, loop::Instant now,
                loop::Random& random);

  std::atomic<uint64_t> state_{0};
  std::atomic<uint64_t> run_{0};
  std::atomic<int64_t> opened_at_{0};  // milliseconds of the loop's clock
};

}  // namespace tulle::upstream
