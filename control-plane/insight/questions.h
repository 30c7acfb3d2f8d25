// Asks sidecars, and collects their answers until all have answered, two seconds have passed, or
// there is as much as may be. A sidecar that leaves meanwhile, or whose version does not know the
// question, has not answered. What does not fit the question is dropped: a sidecar can tell lies
// about requests that it has taken part in, but not fill the answer with others.
// Owner: ControlPlane. Thread: the loop's.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "control-plane/insight/respondents.h"
#include "net/loop/loop.h"
#include "tulle/insight/v1/insight.pb.h"

namespace tulle::insight {

class Questions final : private Asker {
 public:
  static constexpr loop::Duration kPatience = std::chrono::seconds(2);
  static constexpr size_t kMostAtATime = 16;
  static constexpr size_t kMostOfCaller = 8;  // of one credential
  static constexpr size_t kMostRecords = 1000;
  // A sidecar is asked for fewer if all together could send more than this, but for no less than
  // kLeastOfOne.
  static constexpr size_t kMostSent = 50'000;
  static constexpr uint32_t kLeastOfOne = 20;
  // Sidecars that one credential may ask in a second, and at once.
  static constexpr int64_t kAskedPerSecond = 5'000;
  static constexpr int64_t kAskedAtOnce = 20'000;
  // Of all answers to a question, and of one sidecar's.
  static constexpr size_t kMostBytes = 16 * 1024 * 1024;
  static constexpr size_t kMostBytesOfOne = 2 * 1024 * 1024;
  static constexpr size_t kMostErrors = 5;

  struct Outcome {
    size_t asked = 0;
    size_t answered = 0;
    std::vector<v1::RequestRecord> requests;  // newest first (FairlyCut)
    uint64_t left_out = 0;                    // requests that match and are not among them
    std::vector<std::string> errors;          // of those who did not answer; each text once
    std::string text;                         // of one of those who sent any
  };
  // Runs once: perhaps at once, or never if this is destroyed before.
  using Done = absl::AnyInvocable<void(Outcome)>;
  using Chosen = std::function<bool(const Respondent&)>;

  // Both outlive this.
  Questions(loop::Loop& loop, Respondents& respondents);
  ~Questions() override;

  // Sets the id of `question`; `caller` is the name of the credential. False: too many are under
  // way, or this caller has asked too many lately; `done` does not run.
  bool Ask(const std::string& caller, const Chosen& whom, v1::Question question, Done done);
  size_t under_way() const { return inquiries_.size(); }

 private:
  class Inquiry;

  void OnGone(Respondent& respondent) override;
  bool OnAnswer(Respondent& respondent, v1::Answer& answer) override;
  void Finish(uint32_t id);
  bool MayAsk(const std::string& caller);
  void Charge(const std::string& caller, size_t sidecars);

  loop::Loop& loop_;
  Respondents& respondents_;
  std::map<uint32_t, std::unique_ptr<Inquiry>> inquiries_;
  std::map<std::string, loop::Instant> paid_until_;  // by caller; those in the past say nothing
};

}  // namespace tulle::insight
