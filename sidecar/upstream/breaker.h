#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "net/loop/loop.h"
#include "sidecar/upstream/cluster_spec.h"

namespace tulle::upstream {

// What became of one attempt, as far as it says something about the endpoint.
enum class Outcome : uint8_t {
  kNothing,       // our own refusal, the caller left, a kept connection that had ended by itself
  kGood,          // an answer below 500
  kOverloaded,    // 429: good for the breaker, slow for a balancer that looks at latency
  kServerError,   // 500, 501 and so on, but for the next
  kGatewayError,  // 502, 503, 504; no connection, a reset, a timeout
};

enum class BreakerState : uint8_t { kClosed, kOpen, kTrial };

// The circuit breaker of one endpoint, shared by all workers. Closed: used. Open: left alone until
// its time is over. Then exactly one attempt, over all workers, is the trial: if it goes well the
// breaker closes, else it opens again for twice as long. There is no timer: time is looked at when
// somebody wants to pass.
//
// Each change of state begins a generation; what an attempt of an older one reports is ignored.
// Owner: SharedEndpoint. Any thread; lock-free. Source:
// Cluster.outlier_detection, whose sweep and return by time alone are not taken over.
class Breaker {
 public:
  // The right to one attempt; Report follows exactly once.
  struct Pass {
    uint16_t generation = 0;
    bool trial = false;
    bool operator==(const Pass&) const = default;
  };
  // Of an attempt that was made without asking.
  static constexpr Pass kNoPass{0xffff, false};

  // Empty: open, or another has the trial.
  std::optional<Pass> TryPass(loop::Instant now);
  // True: the run of failures is long enough to open; ask Open, if the cluster allows it.
  bool Report(Pass pass, Outcome outcome, const BreakerSpec& spec, loop::Instant now,
              loop::Random& random);
  void Open(Pass pass, const BreakerSpec& spec, loop::Instant now, loop::Random& random);

  BreakerState state() const;
  // When it may be asked for a trial: now or before if it is closed, Instant::max() while another
  // has the trial.
  loop::Instant due() const;

 private:
  // state_: what the breaker is. run_: failures in a row while it is closed, of one generation.
  struct Word;
  struct Run;
  static uint64_t Pack(const Word& word);
  static Word Unpack(uint64_t bits);
  bool CountFailure(Pass pass, Outcome outcome, const BreakerSpec& spec);
  void EndTrial(Pass pass, Outcome outcome, const BreakerSpec& spec, loop::Instant now,
                loop::Random& random);

  std::atomic<uint64_t> state_{0};
  std::atomic<uint64_t> run_{0};
};

}  // namespace tulle::upstream
