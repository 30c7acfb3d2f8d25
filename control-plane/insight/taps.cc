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
      v1::HeaderView headers, Owner owner, const std::function<void()>& abandon)
      : loop_(loop),
        respondents_(respondents),
        filter_(filter),
        headers_(headers),
        owner_(std::move(owner)),
        read_(loop.Now()),
        abandoned_(loop.NewTimer(abandon)),
        waited_(loop.NewTimer([this] { Answer(); })) {
    abandoned_->Start(kAbandonedAfter);
    for (Respondent* each : respondents_.all()) Ask(*each);
  }

  const Owner& owner() const { return owner_; }
  // Since when nobody reads it.
  loop::Instant unread_since() const { return reader_ ? loop_.Now() : read_; }

  void Ask(Respondent& respondent) {
    v1::ToSidecar message;
    message.mutable_question()->set_id(respondents_.NextQuestion());
    *message.mutable_question()->mutable_tap() = filter_;
    message.mutable_question()->set_headers(headers_);
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
    read_ = loop_.Now();
    news_.asked = parts_.size();
    bytes_ = 0;
    for (auto& [respondent, part] : parts_) part.bytes = 0;
    reader(std::exchange(news_, {}));
  }

  loop::Loop& loop_;
  Respondents& respondents_;
  const v1::RequestFilter filter_;
  const v1::HeaderView headers_;
  const Owner owner_;
  loop::Instant read_;
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

absl::StatusOr<std::string> Taps::Open(const v1::RequestFilter& filter, v1::HeaderView headers,
                                       const Owner& owner) {
  if (!HasRoomFor(owner) && !(EndUnread(owner.name) && HasRoomFor(owner))) {
    return absl::ResourceExhaustedError(absl::StrCat("too many taps are open: there may be ", kMost,
                                                     ", ", kMostOfSession,
                                                     " of one credential or token; end one"));
  }
  const std::string id = absl::StrCat(++opened_, "-", absl::Hex(loop_.random().Next()));
  taps_.emplace(id, std::make_unique<Tap>(loop_, respondents_, filter, headers, owner,
                                          [this, id] { End(id); }));
  return id;
}

bool Taps::HasRoomFor(const Owner& owner) const {
  size_t of_session = 0;
  size_t of_name = 0;
  for (const auto& [id, tap] : taps_) {
    if (tap->owner() == owner) ++of_session;
    if (tap->owner().name == owner.name) ++of_name;
  }
  return taps_.size() < kMost && of_session < kMostOfSession && of_name < kMostOfName;
}

bool Taps::EndUnread(const std::string& name) {
  const std::string* oldest = nullptr;
  loop::Instant since = loop_.Now() - kUnreadAfter;
  for (const auto& [id, tap] : taps_) {
    if (tap->owner().name != name || tap->unread_since() >= since) continue;
    oldest = &id;
    since = tap->unread_since();
  }
  if (oldest != nullptr) End(std::string(*oldest));
  return oldest != nullptr;
}

Taps::Tap* Taps::Find(const std::string& id, const Owner& owner) {
  const auto found = taps_.find(id);
  return found == taps_.end() || found->second->owner() != owner ? nullptr : found->second.get();
}

bool Taps::Read(const std::string& id, const Owner& owner, Done done) {
  Tap* tap = Find(id, owner);
  if (tap != nullptr) tap->Read(std::move(done));
  return tap != nullptr;
}

bool Taps::Close(const std::string& id, const Owner& owner) {
  if (Find(id, owner) == nullptr) return false;
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
