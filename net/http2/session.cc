// The life of a session: input, output, draining, keep-alive and close. nghttp2's callbacks are in
// session_callbacks.cc.
#include "net/http2/session.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <new>
#include <utility>

namespace tulle::http2 {
namespace {

constexpr size_t kReadSize = 64 * 1024;
// Collected before a write; the rest waits in nghttp2 and in the streams, where it can be
// cancelled.
constexpr size_t kCollectSize = 64 * 1024;
constexpr loop::Duration kLingerTime = std::chrono::seconds(1);
constexpr size_t kLingerBytes = 256 * 1024;

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

Session::Session(Role role, loop::Loop& loop, std::unique_ptr<Transport> transport,
                 SessionEvents& events, const Options& options)
    : role_(role),
      loop_(loop),
      events_(events),
      options_(options),
      transport_(std::move(transport)),
      memory_(loop.slab()),
      in_(loop.slab()),
      out_(loop.slab()),
      keepalive_(options_),
      ids_(role == Role::kServer),
      windows_(options.limits.stream_window) {
  transport_->SetEvents(this);
}

Session::~Session() {
  if (state_ != State::kClosed) transport_->Close(active_ > 0);
  transport_->SetEvents(nullptr);
  nghttp2_session_del(session_);
  streams_.ForEach([this](Stream& stream) {
    if (!stream.attached()) return Destroy(stream);
    stream.Orphan();
  });
  loop_.DeferDelete(std::move(transport_));
}

void Session::Start(Buffer* early) {
  if (!is_server()) return;
  if (early != nullptr) in_.Append(*early);
  Begin();
}

void Session::Begin() {
  state_ = State::kOpen;
  nghttp2_mem memory = memory_.hooks();
  const auto& limits = options_.limits;
  std::array<nghttp2_settings_entry, 4> settings{{
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.stream_window},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(limits.head_bytes)},
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, is_server() ? limits.concurrent_streams : 0},
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
  }};
  const auto make = is_server() ? nghttp2_session_server_new3 : nghttp2_session_client_new3;
  if (make(&session_, Callbacks(), this, NghttpOptions(), &memory) != 0)
    return OnLost({FailureKind::kMemoryShort});
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(),
                          is_server() ? settings.size() - 1 : settings.size());
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                        static_cast<int32_t>(options_.connection_window));
  if (keepalive_.enabled()) {
    keepalive_timer_ = loop_.NewTimer([this] { OnKeepalive(); });
    keepalive_timer_->Start(keepalive_.wait());
  }
  transport_->EnableRead(true);
  FlushLater();
}

void Session::Drain() {
  if (state_ == State::kClosed || !drain_.Begin()) return;
  if (is_server() && running()) {
    nghttp2_submit_shutdown_notice(session_);
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, drain_.kPing.data());
    StartTimer(&Session::EndDrain, options_.drain_notice);
  } else if (state_ == State::kConnecting) {
    if (active_ == 0) CloseNow(false);
  }
  FlushLater();
}

// Requests in flight when the notice was sent have arrived by now.
void Session::EndDrain() {
  if (!running() || !drain_.Announce()) return;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                        nullptr, 0);
  FlushLater();
}

void Session::Close() {
  if (state_ != State::kClosed) transport_->Close(active_ > 0);
  state_ = State::kClosed;
  reported_ = true;
  timer_.reset();
  keepalive_timer_.reset();
  streams_.ForEach([](Stream& stream) { stream.Abandon(); });
}

Stream& Session::Open(http::StreamEvents& events) {
  assert(StreamRoom() > 0);
  return NewStream(0, &events);
}

size_t Session::StreamRoom() const {
  if (!running() || drain_.leaving()) return 0;
  const size_t most = std::min<size_t>(
      options_.limits.concurrent_streams,
      nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS));
  return most > active_ ? most - active_ : 0;
}

void Session::OnTransportReady() {
  if (is_server() || state_ != State::kConnecting) return;
  Begin();
  events_.OnSessionReady();
}

void Session::OnTransportReadable() {
  if (state_ == State::kLingering || state_ == State::kEnding) return Discard();
  if (running()) Read();
  if (state_ != State::kClosed) DeliverDue();
}

void Session::Read() {
  for (;;) {
    const ReadResult read = transport_->Read(in_, kReadSize);
    if (read.bytes > 0) keepalive_.OnInput();
    Feed();
    if (!running()) return;
    if (read.status == ReadStatus::kEnd) return OnLost({});
    if (read.status == ReadStatus::kFailed) return OnLost(transport_->failure());
    if (read.status == ReadStatus::kWouldBlock || read.bytes < kReadSize) return;
  }
}

void Session::Feed() {
  while (!in_.empty() && running()) {
    const std::string_view piece = in_.Front();
    piece_ = piece.data();
    taken_ = 0;
    const ssize_t used = nghttp2_session_mem_recv(
        session_, reinterpret_cast<const uint8_t*>(piece.data()), piece.size());
    in_.Drain(piece.size() - taken_);
    if (memory_.failed()) return CloseIfAllocationFailed();
    if (!running()) break;
    if (used == NGHTTP2_ERR_FLOODED) {
      Abort(NGHTTP2_ENHANCE_YOUR_CALM, FailureKind::kDownstreamProtocol, "http2.flood");
    } else if (used < 0) {
      Abort(NGHTTP2_PROTOCOL_ERROR, FailureKind::kDownstreamProtocol, "http2.invalid_frames");
    } else {
      CheckFlood(guard_.OnQueued(nghttp2_session_get_outbound_queue_size(session_)));
    }
  }
  FlushLater();
}

void Session::Discard() {
  Buffer junk(loop_.slab());
  const ReadResult read = transport_->Read(junk, kReadSize);
  discarded_ += read.bytes;
  const bool over = read.status == ReadStatus::kEnd || read.status == ReadStatus::kFailed;
  if (over || discarded_ > kLingerBytes) CloseNow(!over);
}

void Session::OnTransportWritable() { FlushLater(); }

void Session::OnTransportFailed(Failure failure) {
  if (state_ == State::kClosed) return;
  OnLost(failure);
}

void Session::CheckFlood(const char* reason) {
  if (reason == nullptr) return;
  Abort(NGHTTP2_ENHANCE_YOUR_CALM, FailureKind::kDownstreamProtocol, reason);
}

void Session::Abort(uint32_t error_code, FailureKind kind, const char* reason) {
  if (!running()) return;
  state_ = State::kEnding;
  if (!is_server() && kind == FailureKind::kDownstreamProtocol)
    kind = FailureKind::kUpstreamProtocol;
  why_ = {kind, reason};
  abort_code_ = error_code;
  goaway_due_ = true;
  ResetAllStreams(why_);
  StartTimer(&Session::OnLingered, kLingerTime);
  FlushLater();
}

// The transport has ended. `why` is empty for an orderly end.
void Session::OnLost(Failure why) {
  const bool connecting = state_ == State::kConnecting;
  if (active_ > 0 || connecting) {
    const auto kind = is_server() ? FailureKind::kDownstreamClosed : FailureKind::kUpstreamClosed;
    if (!why_) why_ = why ? why : Failure{kind, ""};
    if (is_server()) why_.kind = FailureKind::kDownstreamClosed;
  }
  ResetAllStreams(why_);
  CloseNow(false);
}

void Session::ResetAllStreams(Failure why) {
  streams_.ForEach([&](Stream& stream) {
    if (stream.lifetime().closed()) return;
    // A response that was received completely is still delivered.
    const bool complete = !is_server() && stream.receiving().ended();
    stream.Close(complete ? Failure{} : stream.LossReason(why));
  });
  active_ = 0;
}

void Session::OnTurnEnd() {
  CloseIfAllocationFailed();
  if (running() && !in_.empty()) Feed();
  DeliverDue();
  if (state_ == State::kOpen || state_ == State::kEnding) Flush();
  FinishIfDone();
  DeliverDue();
  if (std::exchange(room_changed_, false) && StreamRoom() > 0) events_.OnSessionRoom();
  Report();
}

// nghttp2 reported it by an error, or an ended stream consumed it.
void Session::CloseIfAllocationFailed() {
  if (!memory_.failed() || state_ == State::kClosed) return;
  why_ = {FailureKind::kMemoryShort};
  OnLost(why_);
}

void Session::DeliverDue() {
  while (!due_.empty() && !reported_) {
    Stream& stream = due_.PopFront();
    stream.Deliver();
    if (stream.lifetime().closed() && !stream.attached()) Destroy(stream);
  }
}

void Session::Flush() {
  while (state_ == State::kOpen || state_ == State::kEnding) {
    if (state_ == State::kOpen) Collect();
    if (std::exchange(goaway_due_, false)) {
      const int32_t last = nghttp2_session_get_last_proc_stream_id(session_);
      AppendGoaway(out_, static_cast<uint32_t>(last), abort_code_, why_.detail);
    }
    if (out_.empty()) return;
    transport_->Write(out_);
    if (!out_.empty()) return;
  }
}

void Session::Collect() {
  while (out_.size() < kCollectSize) {
    const uint8_t* bytes = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &bytes);
    if (size < 0) return Abort(NGHTTP2_INTERNAL_ERROR, FailureKind::kInternal, "http2.send_failed");
    if (size == 0) break;
    out_.Append({reinterpret_cast<const char*>(bytes), static_cast<size_t>(size)});
    if (!running()) return;
  }
  if (nghttp2_session_want_read(session_) != 0) return;
  // nghttp2 has sent its last GOAWAY.
  state_ = State::kEnding;
  ResetAllStreams(why_);
  StartTimer(&Session::OnLingered, kLingerTime);
}

void Session::FinishIfDone() {
  if (state_ == State::kOpen) {
    if (!is_server() && drain_.leaving() && active_ == 0) EndDrain();
    const bool idle = out_.empty() && nghttp2_session_want_write(session_) == 0;
    if (drain_.announced() && active_ == 0 && idle) state_ = State::kEnding;
  }
  if (state_ == State::kEnding && out_.empty()) Linger();
}

void Session::Linger() {
  transport_->ShutdownWrite();
  if (!is_server()) return CloseNow(false);
  state_ = State::kLingering;
  StartTimer(&Session::OnLingered, kLingerTime);
}

void Session::OnLingered() {
  if (state_ != State::kClosed) CloseNow(state_ == State::kEnding);
}

void Session::CloseNow(bool reset) {
  transport_->Close(reset);
  state_ = State::kClosed;
  keepalive_timer_.reset();
  in_.Clear();
  out_.Clear();
  FlushLater();
}

// Complete responses that wait for credit are delivered first.
void Session::Report() {
  if (state_ != State::kClosed || reported_) return;
  bool waiting = false;
  streams_.ForEach(
      [&](Stream& stream) { waiting |= stream.attached() && stream.receiving().end_pending(); });
  if (waiting) return;
  reported_ = true;
  events_.OnSessionClosed(why_);
}

void Session::StartTimer(void (Session::*then)(), loop::Duration after) {
  timer_ = loop_.NewTimer([this, then] { (this->*then)(); });
  timer_->Start(after);
}

void Session::OnKeepalive() {
  switch (keepalive_.OnTimer()) {
    case Keepalive::Action::kNone:
      break;
    case Keepalive::Action::kSendPing:
      nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, keepalive_.kPing.data());
      FlushLater();
      break;
    case Keepalive::Action::kLost:
      return OnLost({FailureKind::kUpstreamClosed, "http2.ping_timeout"});
  }
  keepalive_timer_->Start(keepalive_.wait());
}

Stream& Session::NewStream(int32_t id, http::StreamEvents* events) {
  Slab& slab = loop_.slab();
  auto* stream = new (slab.Allocate(sizeof(Stream))) Stream(*this, slab, id, events);
  streams_.PushBack(*stream);
  ++active_;
  return *stream;
}

void Session::Destroy(Stream& stream) {
  windows_.OnStreamDestroyed(stream.window_growth());
  stream.~Stream();
  loop_.slab().Free(&stream, sizeof(Stream));
}

void Session::Due(Stream& stream) {
  if (!static_cast<ListNode<Stream, ReadyStreams>&>(stream).linked()) due_.PushBack(stream);
  FlushLater();
}

void Session::OnUnsentReleased() {
  --active_;
  room_changed_ = true;
}

void Session::OnRequestRefused(Stream& stream) {
  drain_.Begin();
  OnStreamGone(stream, NGHTTP2_REFUSED_STREAM);
}

}  // namespace tulle::http2
