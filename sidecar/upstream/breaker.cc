// The circuit breaker as two atomic words: its state, and consecutive failures.
#include "sidecar/upstream/breaker.h"

#include <algorithm>

namespace tulle::upstream {
namespace {

constexpr int kGenerationBits = 14;
constexpr uint16_t kGenerationMask = (1 << kGenerationBits) - 1;
constexpr uint8_t kMaxDoublings = 20;

uint64_t ToMilliseconds(loop::Instant at) {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count());
}

uint64_t OpenFor(const BreakerSpec& spec, uint8_t doublings, loop::Random& random) {
  const auto most = static_cast<uint64_t>(std::max(spec.open_for, spec.max_open_for).count());
  uint64_t time = static_cast<uint64_t>(spec.open_for.count()) << doublings;
  time = std::min(time, most);
  const auto jitter = static_cast<uint64_t>(spec.jitter.count());
  return jitter == 0 ? time : time + random.Below(jitter + 1);
}

uint16_t OneMore(uint16_t count) { return static_cast<uint16_t>(std::min(count + 1, 0xffff)); }

bool Happens(uint32_t percent, loop::Random& random) {
  return percent >= 100 || random.Below(100) < percent;
}

}  // namespace

struct Breaker::Word {
  BreakerState state = BreakerState::kClosed;  // 2 bits
  uint16_t generation = 0;                     // 14
  uint8_t doublings = 0;                       // 6
  uint64_t until = 0;                          // 42: milliseconds of the loop's clock
};

struct Breaker::Run {
  uint16_t generation = 0;
  uint16_t errors = 0;   // in a row, of any kind
  uint16_t gateway = 0;  // in a row, gateway errors only
  uint16_t unreachable = 0;

  static Run Unpack(uint64_t bits) {
    return {static_cast<uint16_t>(bits >> 48), static_cast<uint16_t>(bits >> 32),
            static_cast<uint16_t>(bits >> 16), static_cast<uint16_t>(bits)};
  }
  uint64_t Pack() const {
    return uint64_t{generation} << 48 | uint64_t{errors} << 32 | uint64_t{gateway} << 16 |
           uint64_t{unreachable};
  }
  bool Reaches(uint16_t count, const Detector& detector) const {
    return detector.percent > 0 && count >= detector.run;
  }
  bool Reaches(const BreakerSpec& spec) const {
    return Reaches(errors, spec.errors) || Reaches(gateway, spec.gateway_errors) ||
           (spec.split && Reaches(unreachable, spec.unreachable));
  }
};

Breaker::Effect Breaker::EffectOf(Outcome outcome, const BreakerSpec& spec) {
  const bool counts_gateway = spec.errors.percent > 0 || spec.gateway_errors.percent > 0;
  switch (outcome) {
    case Outcome::kNothing:
      return Effect::kNone;
    case Outcome::kGood:
    case Outcome::kOverloaded:
      return Effect::kSuccess;
    case Outcome::kServerError:
      return spec.split && spec.errors.percent == 0 ? Effect::kSuccess : Effect::kError;
    case Outcome::kGatewayError:
      return spec.split && !counts_gateway ? Effect::kSuccess : Effect::kGatewayError;
    case Outcome::kNoAnswer:
      return spec.split ? Effect::kSuccess : Effect::kGatewayError;
    case Outcome::kUnreachable:
      return spec.split ? Effect::kUnreachable : Effect::kGatewayError;
    case Outcome::kGaveUp:
      return spec.split ? Effect::kNone : Effect::kGatewayError;
  }
  return Effect::kNone;
}

uint64_t Breaker::Pack(const Word& word) {
  return static_cast<uint64_t>(word.state) << 62 | uint64_t{word.generation} << 48 |
         uint64_t{word.doublings} << 42 | (word.until & ((uint64_t{1} << 42) - 1));
}

Breaker::Word Breaker::Unpack(uint64_t bits) {
  return {static_cast<BreakerState>(bits >> 62),
          static_cast<uint16_t>(bits >> 48 & kGenerationMask),
          static_cast<uint8_t>(bits >> 42 & 63), bits & ((uint64_t{1} << 42) - 1)};
}

BreakerState Breaker::state() const { return Unpack(state_.load(std::memory_order_relaxed)).state; }

loop::Instant Breaker::due() const {
  const Word word = Unpack(state_.load(std::memory_order_relaxed));
  if (word.state == BreakerState::kTrial) return loop::Instant::max();
  return word.state == BreakerState::kClosed
             ? loop::Instant::min()
             : loop::Instant(std::chrono::milliseconds(static_cast<int64_t>(word.until)));
}

std::optional<Breaker::Pass> Breaker::TryPass(loop::Instant now) {
  uint64_t bits = state_.load(std::memory_order_acquire);
  const Word word = Unpack(bits);
  if (word.state == BreakerState::kClosed) return Pass{word.generation, false};
  if (word.state == BreakerState::kTrial || ToMilliseconds(now) < word.until) return std::nullopt;
  Word trial = word;
  trial.state = BreakerState::kTrial;
  trial.generation = (word.generation + 1) & kGenerationMask;
  if (!state_.compare_exchange_strong(bits, Pack(trial), std::memory_order_acq_rel))
    return std::nullopt;
  return Pass{trial.generation, true};
}

bool Breaker::Report(Pass pass, Outcome outcome, const BreakerSpec& spec, loop::Instant now,
                     loop::Random& random) {
  const Effect effect = EffectOf(outcome, spec);
  if (pass.trial) {
    EndTrial(pass, effect, spec, now, random);
    return false;
  }
  if (effect == Effect::kNone) return false;
  if (effect != Effect::kSuccess) return CountFailure(pass, effect, spec);
  uint64_t bits = run_.load(std::memory_order_relaxed);
  const Run run = Run::Unpack(bits);
  if (run.errors + run.unreachable != 0 && run.generation == pass.generation)
    run_.compare_exchange_strong(bits, Run{pass.generation}.Pack());
  return false;
}

bool Breaker::CountFailure(Pass pass, Effect effect, const BreakerSpec& spec) {
  const Word word = Unpack(state_.load(std::memory_order_acquire));
  if (word.state != BreakerState::kClosed || word.generation != pass.generation) return false;
  uint64_t bits = run_.load(std::memory_order_relaxed);
  Run run;
  do {
    run = Run::Unpack(bits);
    if (run.generation != pass.generation) run = {pass.generation};
    if (effect == Effect::kUnreachable) {
      run.unreachable = OneMore(run.unreachable);
      continue;
    }
    run.errors = OneMore(run.errors);
    run.gateway = effect == Effect::kGatewayError ? OneMore(run.gateway) : uint16_t{0};
    run.unreachable = 0;
  } while (!run_.compare_exchange_weak(bits, run.Pack()));
  return run.Reaches(spec);
}

bool Breaker::Open(Pass pass, const BreakerSpec& spec, loop::Instant now, loop::Random& random) {
  uint64_t bits = state_.load(std::memory_order_acquire);
  const Word word = Unpack(bits);
  if (word.state != BreakerState::kClosed || word.generation != pass.generation) return false;
  const Run run = Run::Unpack(run_.load(std::memory_order_relaxed));
  const auto opens = [&](uint16_t count, const Detector& detector) {
    return run.Reaches(count, detector) && Happens(detector.percent, random);
  };
  const bool by_errors = opens(run.errors, spec.errors);
  const bool by_gateway = opens(run.gateway, spec.gateway_errors);
  const bool by_unreachable = spec.split && opens(run.unreachable, spec.unreachable);
  if (!by_errors && !by_gateway && !by_unreachable) return false;
  const Word open{BreakerState::kOpen,
                  static_cast<uint16_t>((word.generation + 1) & kGenerationMask), 0,
                  ToMilliseconds(now) + OpenFor(spec, 0, random)};
  if (!state_.compare_exchange_strong(bits, Pack(open), std::memory_order_acq_rel)) return false;
  opened_at_.store(static_cast<int64_t>(ToMilliseconds(now)), std::memory_order_relaxed);
  return true;
}

void Breaker::EndTrial(Pass pass, Effect effect, const BreakerSpec& spec, loop::Instant now,
                       loop::Random& random) {
  const Word trial = Unpack(state_.load(std::memory_order_acquire));
  Word next = trial;
  next.generation = (pass.generation + 1) & kGenerationMask;
  if (effect == Effect::kSuccess) {
    next = {BreakerState::kClosed, next.generation, 0, 0};
  } else {
    next.state = BreakerState::kOpen;
    next.until = ToMilliseconds(now);  // a trial without result: another request may try at once
    if (effect != Effect::kNone) {
      next.doublings = std::min<uint8_t>(trial.doublings + 1, kMaxDoublings);
      next.until += OpenFor(spec, next.doublings, random);
    }
  }
  // No other thread changes the word during our trial.
  state_.store(Pack(next), std::memory_order_release);
}

}  // namespace tulle::upstream
