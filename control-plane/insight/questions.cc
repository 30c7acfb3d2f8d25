#include "control-plane/insight/questions.h"

#include <algorithm>
#include <set>
#include <utility>

#include "control-plane/insight/request_records.h"
#include "net/base/deletable.h"

namespace tulle::insight {
namespace {

// In one turn of the loop: some milliseconds.
constexpr size_t kSentPerTurn = 256;
// As sidecars have it.
constexpr uint32_t kUsualLimit = 100;
// That a sidecar can say it has left out.
constexpr uint64_t kMostLeftOut = 1'000'000;

loop::Duration TimeToAsk(size_t sidecars) {
  return std::chrono::microseconds(static_cast<int64_t>(sidecars) * 1'000'000 /
                                   Questions::kAskedPerSecond);
}

// Of the question that goes to so many.
uint32_t LimitFor(const v1::RequestFilter& filter, size_t sidecars) {
  const uint32_t wanted = filter.limit() == 0 ? kUsualLimit : filter.limit();
  const auto share = static_cast<uint32_t>(Questions::kMostSent / std::max<size_t>(sidecars, 1));
  return std::min(wanted, std::max(share, Questions::kLeastOfOne));
}

}  // namespace

// One question, and what has been answered.
class Questions::Inquiry : public Deletable {
 public:
  Inquiry(loop::Loop& loop, std::string caller, Done done, std::function<void()> finish)
      : caller_(std::move(caller)),
        done_(std::move(done)),
        finish_(std::move(finish)),
        deadline_(loop.NewTimer([this] { finish_(); })),
        send_(loop.NewTimer([this] { SendSome(); })) {
    deadline_->Start(kPatience);
  }

  const std::string& caller() const { return caller_; }
  // Once. It may finish at once.
  void Start(std::vector<Respondent*> whom, v1::Question question) {
    outcome_.asked = whom.size();
    awaited_.insert(whom.begin(), whom.end());
    if (question.has_find())
      question.mutable_find()->set_limit(LimitFor(question.find(), whom.size()));
    unsent_ = std::move(whom);
    *message_.mutable_question() = std::move(question);
    SendSome();
  }
  void OnGone(Respondent& respondent) {
    std::erase(unsent_, &respondent);
    Settle(respondent);
  }
  void OnAnswer(Respondent& respondent, v1::Answer& answer) {
    if (!awaited_.contains(&respondent)) return;
    if (!answer.error().empty()) {
      AddError(SafeText(std::move(*answer.mutable_error())));
      return Settle(respondent);
    }
    for (v1::RequestRecord& record : *answer.mutable_requests()) {
      if (Fits(record)) Keep(respondent, record);
    }
    outcome_.left_out += std::min<uint64_t>(answer.left_out(), kMostLeftOut);
    if (bytes_ >= kMostBytes) return finish_();
    if (!answer.text().empty()) outcome_.text = std::move(*answer.mutable_text());
    if (!answer.is_last()) return;
    ++outcome_.answered;
    Settle(respondent);
  }
  void Finish() {
    deadline_->Stop();
    send_->Stop();
    if (outcome_.requests.size() > kMostRecords)
      outcome_.left_out += outcome_.requests.size() - kMostRecords;
    outcome_.requests = FairlyCut(std::move(outcome_.requests), kMostRecords);
    done_(std::move(outcome_));
  }

 private:
  void SendSome() {
    for (size_t sent = 0; sent < kSentPerTurn && !unsent_.empty(); ++sent) {
      Respondent* respondent = unsent_.back();
      unsent_.pop_back();
      if (!respondent->Send(message_)) awaited_.erase(respondent);
    }
    if (!unsent_.empty()) return send_->Start({});
    if (awaited_.empty()) finish_();
  }
  bool Fits(const v1::RequestRecord& record) const {
    const v1::Question& question = message_.question();
    return question.has_what_if() || (question.has_find() && Matches(question.find(), record));
  }
  void Keep(const Respondent& respondent, v1::RequestRecord& record) {
    const size_t most = message_.question().has_find() ? message_.question().find().limit() : 1;
    const size_t bytes = BytesOf(record);
    Share& own = shares_[&respondent];
    if (bytes_ >= kMostBytes || own.records == most || own.bytes + bytes > kMostBytesOfOne) {
      ++outcome_.left_out;
      return;
    }
    bytes_ += bytes;
    own.bytes += bytes;
    ++own.records;
    outcome_.requests.push_back(std::move(record));
  }
  void AddError(std::string error) {
    std::vector<std::string>& errors = outcome_.errors;
    const bool is_new = std::find(errors.begin(), errors.end(), error) == errors.end();
    if (is_new && errors.size() < kMostErrors) errors.push_back(std::move(error));
  }
  void Settle(Respondent& respondent) {
    if (awaited_.erase(&respondent) > 0 && awaited_.empty() && unsent_.empty()) finish_();
  }

  const std::string caller_;
  Done done_;
  std::function<void()> finish_;
  v1::ToSidecar message_;
  std::vector<Respondent*> unsent_;
  std::set<Respondent*> awaited_;
  Outcome outcome_;
  size_t bytes_ = 0;
  struct Share {
    size_t records = 0;
    size_t bytes = 0;
  };
  std::map<const Respondent*, Share> shares_;
  std::unique_ptr<loop::Timer> deadline_;
  std::unique_ptr<loop::Timer> send_;
};

Questions::Questions(loop::Loop& loop, Respondents& respondents)
    : loop_(loop), respondents_(respondents) {
  respondents.Add(*this);
}

Questions::~Questions() = default;

bool Questions::Ask(const std::string& caller, const Chosen& whom, v1::Question question,
                    Done done) {
  const auto of_caller = std::count_if(inquiries_.begin(), inquiries_.end(), [&](const auto& each) {
    return each.second->caller() == caller;
  });
  if (inquiries_.size() >= kMostAtATime || static_cast<size_t>(of_caller) >= kMostOfCaller ||
      !MayAsk(caller))
    return false;
  std::vector<Respondent*> chosen;
  for (Respondent* each : respondents_.all()) {
    if (whom(*each)) chosen.push_back(each);
  }
  Charge(caller, chosen.size());
  const uint32_t id = respondents_.NextQuestion();
  question.set_id(id);
  auto inquiry =
      std::make_unique<Inquiry>(loop_, caller, std::move(done), [this, id] { Finish(id); });
  Inquiry& asked = *inquiry;
  inquiries_.emplace(id, std::move(inquiry));
  asked.Start(std::move(chosen), std::move(question));
  return true;
}

// A large mesh is asked whole; then its caller waits.
bool Questions::MayAsk(const std::string& caller) {
  const auto found = paid_until_.find(caller);
  return found == paid_until_.end() ||
         found->second - loop_.Now() < TimeToAsk(static_cast<size_t>(kAskedAtOnce));
}

void Questions::Charge(const std::string& caller, size_t sidecars) {
  const loop::Instant now = loop_.Now();
  std::erase_if(paid_until_, [now](const auto& each) { return each.second <= now; });
  loop::Instant& until = paid_until_[caller];
  until = std::max(until, now) + TimeToAsk(sidecars);
}

// Its methods may be on the stack.
void Questions::Finish(uint32_t id) {
  const auto found = inquiries_.find(id);
  if (found == inquiries_.end()) return;
  std::unique_ptr<Inquiry> inquiry = std::move(found->second);
  inquiries_.erase(found);
  inquiry->Finish();
  loop_.DeferDelete(std::move(inquiry));
}

void Questions::OnGone(Respondent& respondent) {
  std::vector<uint32_t> ids;
  for (const auto& [id, inquiry] : inquiries_) ids.push_back(id);
  for (const uint32_t id : ids) {
    const auto found = inquiries_.find(id);
    if (found != inquiries_.end()) found->second->OnGone(respondent);
  }
}

bool Questions::OnAnswer(Respondent& respondent, v1::Answer& answer) {
  const auto found = inquiries_.find(answer.question());
  if (found == inquiries_.end()) return false;
  found->second->OnAnswer(respondent, answer);
  return true;
}

}  // namespace tulle::insight
