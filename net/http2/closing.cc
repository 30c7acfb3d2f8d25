#include "net/http2/closing.h"

#include <array>
#include <string_view>
#include <utility>

namespace tulle::http2 {
namespace {

constexpr loop::Duration kLingerTime = std::chrono::seconds(1);
constexpr size_t kLingerBytes = 256 * 1024;
constexpr size_t kDiscardSize = 64 * 1024;

// A GOAWAY frame (RFC 9113 6.8), written without nghttp2: Abort discards what nghttp2 has queued.
void AppendGoaway(Buffer& out, uint32_t last_stream, uint32_t error_code, std::string_view reason) {
  std::array<char, 17> frame{};
  frame[2] = static_cast<char>(8 + reason.size());
  frame[3] = NGHTTP2_GOAWAY;
  for (int i = 0; i < 4; ++i) {
    frame[9 + i] = static_cast<char>(last_stream >> (24 - 8 * i));
    frame[13 + i] = static_cast<char>(error_code >> (24 - 8 * i));
  }
  out.Append({frame.data(), frame.size()});
  out.Append(reason);
}

}  // namespace

void Closing::Drain() {
  if (closed() || !link_.drain.Begin()) return;
  if (link_.is_server() && open()) {
    nghttp2_submit_shutdown_notice(link_.nghttp2);
    nghttp2_submit_ping(link_.nghttp2, NGHTTP2_FLAG_NONE, link_.drain.kPing.data());
    StartTimer(&Closing::EndDrain, link_.options.drain_notice);
  } else if (state_ == State::kConnecting) {
    if (streams_.active() == 0) CloseNow(false);
  }
  link_.FlushLater();
}

// Requests in flight when the notice was sent have arrived by now.
void Closing::EndDrain() {
  if (!open() || !link_.drain.Announce()) return;
  const int32_t last = nghttp2_session_get_last_proc_stream_id(link_.nghttp2);
  nghttp2_submit_goaway(link_.nghttp2, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, nullptr, 0);
  link_.FlushLater();
}

void Closing::Abort(uint32_t error_code, FailureKind kind, const char* reason) {
  if (!open()) return;
  if (!link_.is_server() && kind == FailureKind::kDownstreamProtocol)
    kind = FailureKind::kUpstreamProtocol;
  why_ = {kind, reason};
  abort_code_ = error_code;
  goaway_due_ = true;
  End();
  link_.FlushLater();
}

void Closing::OnErrorSent() {
  if (why_) return;
  why_ = {link_.is_server() ? FailureKind::kDownstreamProtocol : FailureKind::kUpstreamProtocol,
          "http2.protocol_error"};
}

void Closing::End() {
  state_ = State::kEnding;
  streams_.CloseAll(why_);
  StartTimer(&Closing::OnLingered, kLingerTime);
}

void Closing::OnLost(Failure why) {
  if (closed()) return;
  if (streams_.active() > 0 || state_ == State::kConnecting) {
    const bool server = link_.is_server();
    const auto kind = server ? FailureKind::kDownstreamClosed : FailureKind::kUpstreamClosed;
    if (!why_) why_ = why ? why : Failure{kind, ""};
    if (server) why_.kind = FailureKind::kDownstreamClosed;
  }
  streams_.CloseAll(why_);
  CloseNow(false);
}

void Closing::OnMemoryShort() {
  if (closed()) return;
  why_ = {FailureKind::kMemoryShort};
  OnLost(why_);
}

void Closing::WriteGoaway(Buffer& out) {
  if (!std::exchange(goaway_due_, false)) return;
  const int32_t last = nghttp2_session_get_last_proc_stream_id(link_.nghttp2);
  AppendGoaway(out, static_cast<uint32_t>(last), abort_code_, why_.detail);
}

void Closing::Advance(bool unsent) {
  if (open()) {
    if (!link_.is_server() && link_.drain.leaving() && streams_.active() == 0) EndDrain();
    const bool over = link_.drain.announced() && streams_.active() == 0 && !unsent;
    if (over && nghttp2_session_want_write(link_.nghttp2) == 0) state_ = State::kEnding;
  }
  if (state_ != State::kEnding || unsent) return;
  transport_.ShutdownWrite();
  if (!link_.is_server()) return CloseNow(false);
  state_ = State::kLingering;
  StartTimer(&Closing::OnLingered, kLingerTime);
}

void Closing::Discard() {
  Buffer junk(link_.loop.slab());
  const ReadResult read = transport_.Read(junk, kDiscardSize);
  discarded_ += read.bytes;
  const bool over = read.status == ReadStatus::kEnd || read.status == ReadStatus::kFailed;
  if (over || discarded_ > kLingerBytes) CloseNow(!over);
}

void Closing::OnLingered() {
  if (!closed()) CloseNow(state_ == State::kEnding);
}

void Closing::CloseNow(bool reset) {
  transport_.Close(reset);
  state_ = State::kClosed;
  link_.FlushLater();
}

void Closing::Close() {
  if (!closed()) transport_.Close(streams_.active() > 0);
  state_ = State::kClosed;
  reported_ = true;
  timer_.reset();
}

bool Closing::TakeReport() {
  if (!closed() || reported_ || streams_.waiting()) return false;
  reported_ = true;
  return true;
}

void Closing::StartTimer(void (Closing::*then)(), loop::Duration after) {
  timer_ = link_.loop.NewTimer([this, then] { (this->*then)(); });
  timer_->Start(after);
}

}  // namespace tulle::http2
