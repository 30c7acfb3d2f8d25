#include "control-plane/insight/taps.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control-plane/insight/request_records.h"
#include "net/base/deletable.h"

namespace tulle::insight {

class Taps::Tap : public Deletable {
 public:
  Tap(loop::Loop& loop, Respondents& respondents, const v1::RequestFilter& filter,
      std::string caller, const std::function<void()>& abandon)
      : loop_(loop),
        respondents_(respondents),
        filter_(filter),
        caller_(std::move(caller)),
        abandoned_(loop.NewTimer(abandon)),
        waited_(loop.NewTimer([this] { Answer(); })) {
    abandoned_->Start(kAbandonedAfter);
    for (Respondent* each : respondents_.all()) Ask(*each);
  }

  const std::string& caller() const { return caller_; }

  void Ask(Respondent& respondent) {
    v1::ToSidecar message;
    message.mutable_question()->set_id(respondents_.NextQuestion());
    *message.mutable_question()->mutable_tap() = filter_;
    if (!respondent.Send(message)) return;
    parts_.insert_or_assign(&respondent, Part{message.question().id(), loop_.Now()});
  }
  void OnGone(Respondent& respondent) { parts_.erase(&respondent); }
  bool OnAnswer(Respondent& respondent, v1::Answer& answer) {
    const auto part = parts_.find(&respondent);
    if (part == parts_.end() || part->second.question != answer.question()) return false;
    // A sidecar can show nothing that was not asked for.
    for (v1::RequestRecord& record : *answer.mutable_requests()) {
      if (Matches(filter_, record)) Keep(record, part->second);
    }
    news_.left_out += answer.left_out();
    if (!answer.error().empty()) AddError(SafeText(std::move(*answer.mutable_error())));
    if (answer.is_last() || !answer.error().empty()) {
      const bool was_long = loop_.Now() - part->second.asked >= kLeastPart;
      parts_.erase(part);
      if (answer.error().empty() && was_long) Ask(respondent);
    }
    if (reader_ && has_news()) Answer();
    return true;
  }

  void Read(Done done) {
    Answer();
    abandoned_->Start(kAbandonedAfter);
    reader_ = std::move(done);
    if (has_news()) return Answer();
    waited_->Start(kLongestWait);
  }
  void End() {
    abandoned_->Stop();
    Answer();
    for (const auto& [respondent, part] : parts_) {
      v1::ToSidecar message;
      message.set_end_tap(part.question);
      respondent->Send(message);
    }
  }

 private:
  struct Part {
    uint32_t question = 0;
    loop::Instant asked;
    size_t bytes = 0;  // of its records that wait to be read
  };

  bool has_news() const {
    return !news_.requests.empty() || news_.left_out > 0 || !news_.errors.empty();
  }
  void Keep(v1::RequestRecord& record, Part& of) {
    const size_t bytes = BytesOf(record);
    if (news_.requests.size() >= kMostRecords || bytes_ + bytes > kMostBytes ||
        of.bytes + bytes > kMostBytesOfOne) {
      ++news_.left_out;
      return;
    }
    bytes_ += bytes;
    of.bytes += bytes;
    news_.requests.push_back(std::move(record));
  }
  void AddError(std::string error) {
    std::vector<std::string>& errors = news_.errors;
    const bool is_new = std::find(errors.begin(), errors.end(), error) == errors.end();
    if (is_new && errors.size() < kMostErrors) errors.push_back(std::move(error));
  }
  // Nothing if nobody waits.
  void Answer() {
    waited_->Stop();
    if (!reader_) return;
    Done reader = std::exchange(reader_, nullptr);
    news_.asked = parts_.size();
    bytes_ = 0;
    for (auto& [respondent, part] : parts_) part.bytes = 0;
    reader(std::exchange(news_, {}));
  }

  loop::Loop& loop_;
  Respondents& respondents_;
  const v1::RequestFilter filter_;
  const std::string caller_;
  std::map<Respondent*, Part> parts_;
  News news_;
  size_t bytes_ = 0;  // of news_
  Done reader_;       // null: nobody waits
  std::unique_ptr<loop::Timer> abandoned_;
  std::unique_ptr<loop::Timer> waited_;
};

Taps::Taps(loop::Loop& loop, Respondents& respondents) : loop_(loop), respondents_(respondents) {
  respondents.Add(*this);
}

Taps::~Taps() = default;

absl::StatusOr<std::string> Taps::Open(const v1::RequestFilter& filter, const std::string& caller) {
  const auto of_caller = std::count_if(taps_.begin(), taps_.end(), [&](const auto& each) {
    return each.second->caller() == caller;
  });
  if (taps_.size() >= kMost || static_cast<size_t>(of_caller) >= kMostOfCaller) {
    return absl::ResourceExhaustedError(
        absl::StrCat("too many taps are open: there may be ", kMost, ", ", kMostOfCaller,
                     " of one credential; end one, or wait 10 s if it was left"));
  }
  const std::string id = absl::StrCat(++opened_, "-", absl::Hex(loop_.random().Next()));
  taps_.emplace(
      id, std::make_unique<Tap>(loop_, respondents_, filter, caller, [this, id] { End(id); }));
  return id;
}

Taps::Tap* Taps::Find(const std::string& id, const std::string& caller) {
  const auto found = taps_.find(id);
  return found == taps_.end() || found->second->caller() != caller ? nullptr : found->second.get();
}

bool Taps::Read(const std::string& id, const std::string& caller, Done done) {
  Tap* tap = Find(id, caller);
  if (tap != nullptr) tap->Read(std::move(done));
  return tap != nullptr;
}

bool Taps::Close(const std::string& id, const std::string& caller) {
  if (Find(id, caller) == nullptr) return false;
  End(id);
  return true;
}

// Its methods may be on the stack.
void Taps::End(const std::string& id) {
  const auto found = taps_.find(id);
  std::unique_ptr<Tap> tap = std::move(found->second);
  taps_.erase(found);
  tap->End();
  loop_.DeferDelete(std::move(tap));
}

void Taps::OnConnected(Respondent& respondent) {
  for (const auto& [id, tap] : taps_) tap->Ask(respondent);
}

void Taps::OnGone(Respondent& respondent) {
  for (const auto& [id, tap] : taps_) tap->OnGone(respondent);
}

bool Taps::OnAnswer(Respondent& respondent, v1::Answer& answer) {
  for (const auto& [id, tap] : taps_) {
    if (tap->OnAnswer(respondent, answer)) return true;
  }
  return false;
}

}  // namespace tulle::insight
