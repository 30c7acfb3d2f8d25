#include "control-plane/cli/watch.h"

#include <chrono>

#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

constexpr auto kRefresh = std::chrono::seconds(2);
// Moves the cursor of a terminal to the first line, and erases what is below it.
constexpr char kHome[] = "\x1b[H\x1b[J";
constexpr int kTooManyRequests = 429;

}  // namespace

bool MayPass(const Session& session) {
  const int status = session.last_status();
  return status == 0 || status >= 500 || status == kTooManyRequests;
}

absl::StatusOr<bool> Watch::Next(const absl::Status& round) {
  if (!round.ok()) {
    if (absl::Status lost = AfterError(round); !lost.ok()) return lost;
    return true;
  }
  Succeeded();
  if (shown_ == session_->invocation.refreshes || !session_->out().good()) return false;
  session_->environment.pause(kRefresh);
  return true;
}

absl::Status Watch::AfterError(const absl::Status& error) {
  if (shown_ == 0 || !MayPass(*session_)) return error;
  if (!has_warned_) {
    has_warned_ = true;
    session_->err() << "warning: " << ErrorOf(error) << "\nTrying again every 2 s until Ctrl-C.\n";
  }
  session_->environment.pause(kRefresh);
  return absl::OkStatus();
}

void Watch::Succeeded() {
  ++shown_;
  has_warned_ = false;
}

Screen::Screen(Session& session) : session_(session), shown_(session.out().rdbuf(text_.rdbuf())) {}

Screen::~Screen() { Restore(); }

// A stream that gets another buffer forgets that the one before could not be written.
void Screen::Restore() {
  const std::ios::iostate state = session_.out().rdstate();
  session_.out().rdbuf(shown_);
  session_.out().setstate(state);
}

void Screen::Show(bool is_first) {
  Restore();
  if (session_.environment.width != 0) {
    session_.out() << kHome;
  } else if (!is_first && !session_.wants_json()) {
    session_.out() << "\n";
  }
  session_.out() << text_.str();
  session_.out().flush();
}

}  // namespace tulle::cli
