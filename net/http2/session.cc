// The turns of a session: input, delivery, output; its beginning, and keep-alive.
#include "net/http2/session.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <utility>

namespace tulle::http2 {
namespace {

constexpr size_t kReadSize = 64 * 1024;
constexpr std::chrono::seconds kIdle{5};

}  // namespace

Session::Session(Role role, loop::Loop& loop, std::unique_ptr<Transport> transport,
                 SessionEvents& events, const Options& options)
    : link_{.role = role, .loop = loop, .session = *this, .options = options},
      events_(events),
      transport_(std::move(transport)),
      streams_(link_),
      closing_(link_, streams_, *transport_),
      reader_(link_, streams_, closing_, guard_, events),
      writer_(link_, streams_, closing_, guard_),
      targets_{reader_, writer_} {
  transport_->SetEvents(this);
}

Session::~Session() {
  if (!closing_.closed()) transport_->Close(streams_.active() > 0);
  transport_->SetEvents(nullptr);
  nghttp2_session_del(link_.nghttp2);
  link_.loop.DeferDelete(std::move(transport_));
}

void Session::Start(Buffer* early) {
  if (!link_.is_server()) return;
  if (early != nullptr) reader_.in().Append(*early);
  Begin();
}

void Session::Begin() {
  closing_.Open();
  link_.secure = transport_->is_tls();
  nghttp2_mem memory = link_.memory.hooks();
  const bool server = link_.is_server();
  const auto& limits = link_.options.limits;
  std::array<nghttp2_settings_entry, 4> settings{{
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.stream_window},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(limits.head_bytes)},
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, server ? limits.concurrent_streams : 0},
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
  }};
  const auto make = server ? nghttp2_session_server_new3 : nghttp2_session_client_new3;
  if (make(&link_.nghttp2, Callbacks(), &targets_, SessionOptions(), &memory) != 0)
    return closing_.OnMemoryShort();
  // A client's preface is in the frame buffer, which all sessions share: see memory.cc.
  writer_.Collect();
  nghttp2_submit_settings(link_.nghttp2, NGHTTP2_FLAG_NONE, settings.data(),
                          server ? settings.size() - 1 : settings.size());
  nghttp2_session_set_local_window_size(link_.nghttp2, NGHTTP2_FLAG_NONE, 0,
                                        static_cast<int32_t>(link_.options.connection_window));
  if (link_.keepalive.enabled()) {
    keepalive_timer_ = link_.loop.NewTimer([this] { OnKeepalive(); });
    keepalive_timer_->Start(link_.keepalive.wait());
  }
  transport_->EnableRead(true);
  link_.FlushLater();
}

void Session::Close() {
  closing_.Close();
  keepalive_timer_.reset();
  idle_timer_.reset();
  streams_.AbandonAll();
}

Stream& Session::Open(http::StreamEvents& events) {
  assert(StreamRoom() > 0);
  return streams_.Create(0, &events);
}

size_t Session::StreamRoom() const {
  if (!closing_.open() || link_.drain.leaving()) return 0;
  const size_t most = std::min<size_t>(
      link_.options.limits.concurrent_streams,
      nghttp2_session_get_remote_settings(link_.nghttp2, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS));
  return most > streams_.active() ? most - streams_.active() : 0;
}

void Session::OnTransportReady() {
  if (link_.is_server() || closing_.state() != Closing::State::kConnecting) return;
  Begin();
  events_.OnSessionReady();
}

void Session::OnTransportReadable() {
  if (closing_.closed()) return;
  if (!closing_.open()) return closing_.Discard();
  Read();
  if (!closing_.closed()) DeliverDue();
}

void Session::Read() {
  for (;;) {
    const ReadResult read = transport_->Read(reader_.in(), kReadSize);
    if (read.bytes > 0) link_.keepalive.OnInput();
    reader_.Feed();
    if (!closing_.open()) return;
    if (read.status == ReadStatus::kEnd) return closing_.OnLost({});
    if (read.status == ReadStatus::kFailed) return closing_.OnLost(transport_->failure());
    if (read.status == ReadStatus::kWouldBlock || read.bytes < kReadSize) return;
  }
}

void Session::OnTurnEnd() {
  // nghttp2 reported it by an error, or an ended stream consumed it.
  if (link_.memory.failed()) closing_.OnMemoryShort();
  if (closing_.open() && !reader_.in().empty()) reader_.Feed();
  DeliverDue();
  writer_.Flush(*transport_);
  closing_.Advance(writer_.unsent());
  DeliverDue();
  if (closing_.closed()) {
    keepalive_timer_.reset();
    idle_timer_.reset();
    reader_.in().Clear();
    writer_.Drop();
    if (closing_.TakeReport()) events_.OnSessionClosed(closing_.why());
    return;
  }
  if (link_.memory.used() && !awaiting_idle_) AwaitIdle();
  if (link_.is_server()) return;
  if (streams_.TakeRoomChanged() && StreamRoom() > 0) events_.OnSessionRoom();
}

void Session::DeliverDue() {
  streams_.Deliver([this] { return closing_.reported(); });
}

// One timer for all that happens in kIdle, and none for a session that stays idle.
void Session::AwaitIdle() {
  if (idle_timer_ == nullptr) {
    idle_timer_ = link_.loop.NewTimer([this] {
      awaiting_idle_ = false;
      if (streams_.active() == 0) link_.memory.ReleaseIdle();
    });
  }
  awaiting_idle_ = true;
  idle_timer_->Start(kIdle);
}

void Session::OnKeepalive() {
  switch (link_.keepalive.OnTimer()) {
    case Keepalive::Action::kNone:
      break;
    case Keepalive::Action::kSendPing:
      nghttp2_submit_ping(link_.nghttp2, NGHTTP2_FLAG_NONE, Keepalive::kPing.data());
      link_.FlushLater();
      break;
    case Keepalive::Action::kLost:
      return closing_.OnLost({FailureKind::kUpstreamClosed, "http2.ping_timeout"});
  }
  keepalive_timer_->Start(link_.keepalive.wait());
}

}  // namespace tulle::http2
