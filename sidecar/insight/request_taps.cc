#include "sidecar/insight/request_taps.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sidecar/insight/header_tap.h"
#include "sidecar/recorder/record_message.h"

namespace tulle::sidecar {
namespace {

// The taps of a second look into the rings, and each may send so many.
constexpr uint32_t kRecordsPerLook = static_cast<uint32_t>(
    RequestTaps::kRecordsPerSecond * RequestTaps::kPause / std::chrono::seconds(1));

}  // namespace

struct RequestTaps::Tap {
  ~Tap() {
    if (headers == nullptr) return;
    for (const auto& worker : recorder.workers()) worker->headers.Remove(headers.get());
  }

  const recorder::FlightRecorder& recorder;
  insight::v1::Question question;
  recorder::RecordFilter filter;
  Replies& replies;
  loop::Instant end;
  uint32_t left;  // records to be sent until it ends
  std::vector<recorder::RingReader> readers;
  std::shared_ptr<HeaderTap> headers;  // null: the readers have the records
  uint64_t left_out = 0;               // not told yet
};

RequestTaps::RequestTaps(loop::Loop& loop, const recorder::FlightRecorder& recorder,
                         OwnIdentity own)
    : loop_(loop),
      recorder_(recorder),
      own_(std::move(own)),
      timer_(loop.NewTimer([this] { Look(); })) {}

RequestTaps::~RequestTaps() = default;

void RequestTaps::OnQuestion(const insight::v1::Question& question, Replies& replies) {
  auto filter = recorder::RecordFilter::Make(question.tap(), own_());
  if (!filter.ok())
    return replies.Send(ErrorAnswer(question, std::string(filter.status().message())));
  if (taps_.size() == kMostTaps) {
    return replies.Send(ErrorAnswer(
        question, absl::StrCat("this sidecar already has ", kMostTaps,
                               " taps: end one of them, or wait until one ends after a minute")));
  }
  const uint32_t left =
      filter->limit() == 0 ? std::numeric_limits<uint32_t>::max() : filter->limit();
  std::shared_ptr<HeaderTap> headers;
  if (HeaderTap::IsNeeded(question)) {
    auto made = HeaderTap::Make(question, *filter);
    if (!made.ok())
      return replies.Send(ErrorAnswer(question, std::string(made.status().message())));
    headers = *std::move(made);
  }
  auto tap = std::unique_ptr<Tap>(new Tap{
      recorder_, question, *std::move(filter), replies, loop_.Now() + kLongest, left, {}, headers});
  for (const auto& worker : recorder_.workers()) {
    if (headers == nullptr) tap->readers.emplace_back(worker->ring);
    if (headers != nullptr) worker->headers.Add(headers);
  }
  taps_.push_back(std::move(tap));
  if (!timer_->active()) timer_->Start(kPause);
}

void RequestTaps::Look() {
  room_ = std::min(room_ + kRecordsPerLook, kRecordsPerSecond);
  if (taps_.empty()) return;
  // Another one first each time, so that one that takes all leaves something to the others.
  std::rotate(taps_.begin(), taps_.begin() + 1, taps_.end());
  for (const auto& tap : taps_) Look(*tap);
  for (const auto& tap : taps_) {
    if (IsOver(*tap)) End(*tap);
  }
  std::erase_if(taps_, [this](const auto& tap) { return IsOver(*tap); });
  if (!taps_.empty()) timer_->Start(kPause);
}

void RequestTaps::Look(Tap& tap) {
  const std::string own = own_();
  insight::v1::Answer answer;
  answer.set_question(tap.question.id());
  const bool may_send = tap.replies.HasRoom();
  // Null: it is not sent.
  const auto add = [&](const recorder::Record& record) -> insight::v1::RequestRecord* {
    if (tap.left == 0) return nullptr;
    if (!may_send || room_ == 0) {
      ++tap.left_out;
      return nullptr;
    }
    --room_;
    --tap.left;
    return &(*answer.add_requests() = recorder::MessageOf(record, nullptr, {own, ""}));
  };
  for (recorder::RingReader& reader : tap.readers) {
    tap.left_out += reader.Read([&](const recorder::Record& record) {
      if (tap.filter.Matches(record)) add(record);
    });
  }
  if (tap.headers != nullptr) {
    const HeaderTap::Taken taken = tap.headers->Take();
    tap.left_out += taken.left_out;
    for (const HeaderTap::Seen& seen : taken.requests) {
      if (insight::v1::RequestRecord* sent = add(seen.record)) sent->MergeFrom(seen.headers);
    }
  }
  if (answer.requests_size() == 0 && (tap.left_out == 0 || !may_send)) return;
  answer.set_left_out(static_cast<uint32_t>(std::exchange(tap.left_out, 0)));
  tap.replies.Send(std::move(answer));
}

bool RequestTaps::IsOver(const Tap& tap) const { return tap.left == 0 || loop_.Now() >= tap.end; }

void RequestTaps::End(const Tap& tap) { tap.replies.Send(OnlyAnswer(tap.question)); }

void RequestTaps::OnEnd(uint32_t question) {
  for (const auto& tap : taps_) {
    if (tap->question.id() == question) End(*tap);
  }
  std::erase_if(taps_, [question](const auto& tap) { return tap->question.id() == question; });
}

void RequestTaps::OnStreamEnd() {
  taps_.clear();
  timer_->Stop();
}

}  // namespace tulle::sidecar
