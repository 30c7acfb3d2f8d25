// The sidecars that can be asked now: those with an insight stream. Whoever asks them (questions.h,
// taps.h) is told who comes and goes, and gets their answers. Owner: ControlPlane. Thread: the
// loop's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "tulle/insight/v1/insight.pb.h"

namespace tulle::insight {

// The stream of one sidecar. Owner: its call.
class Respondent {
 public:
  virtual ~Respondent() = default;
  virtual const std::string& spiffe_id() const = 0;
  virtual std::string proxy() const = 0;  // node ID; empty: not known yet
  // False: the stream takes nothing now, and the message is dropped.
  virtual bool Send(const v1::ToSidecar& message) = 0;
};

class Asker {
 public:
  virtual ~Asker() = default;
  virtual void OnConnected(Respondent&) {}
  // Its last event.
  virtual void OnGone(Respondent& respondent) = 0;
  // Its records are safe. False: it is not to a question of this asker.
  virtual bool OnAnswer(Respondent& respondent, v1::Answer& answer) = 0;
};

class Respondents {
 public:
  // Before the first one connects. It outlives the streams.
  void Add(Asker& asker) { askers_.push_back(&asker); }

  void OnConnected(Respondent& respondent) {
    all_.insert(&respondent);
    for (Asker* asker : askers_) asker->OnConnected(respondent);
  }
  void OnGone(Respondent& respondent) {
    all_.erase(&respondent);
    for (Asker* asker : askers_) asker->OnGone(respondent);
  }
  // An answer to no question, as one that came too late, is dropped.
  void OnAnswer(Respondent& respondent, v1::Answer& answer) {
    for (Asker* asker : askers_) {
      if (asker->OnAnswer(respondent, answer)) return;
    }
  }

  const std::set<Respondent*>& all() const { return all_; }
  uint32_t NextQuestion() { return ++questions_ == 0 ? ++questions_ : questions_; }

 private:
  std::vector<Asker*> askers_;
  std::set<Respondent*> all_;
  uint32_t questions_ = 0;
};

}  // namespace tulle::insight
