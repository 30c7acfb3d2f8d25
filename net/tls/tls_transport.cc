// TLS as a transport: handshake, reading, writing and closing. Errors are reported when the bytes
// before them are read.
#include "net/tls/tls_transport.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <utility>

#include "net/socket/plain_transport.h"
#include "net/tls/memory.h"
#include "net/tls/verification.h"

namespace tulle::tls {
namespace {

constexpr size_t kRecord = 16 * 1024;         // RFC 8446, 5.1: most plaintext of one record
constexpr size_t kBatch = 4 * kRecord;        // plaintext sealed for one write system call
constexpr size_t kMaxInput = Slab::kLargest;  // ciphertext of one read system call
constexpr size_t kRecordOverhead = 512;
// Buffer space for one SSL_read, as in plain transports.
constexpr size_t kSmallRead = 2 * 1024;
// A first piece shorter than this is joined with the next, so that a head and its body share a
// record.
constexpr size_t kWorthARecord = 8 * 1024;

Failure TimedOut() {
  return {FailureKind::kTlsFailed, "TLS handshake timeout: the peer may be overloaded"};
}

}  // namespace

TlsTransport::TlsTransport(loop::Loop& loop, std::unique_ptr<loop::Socket> socket,
                           Buffer already_read, std::shared_ptr<const TlsProfile> profile)
    : loop_(loop),
      profile_(std::move(profile)),
      state_(State::kHandshaking),
      socket_(std::move(socket)),
      verification_{&loop, &profile_->requirements(), nullptr, std::nullopt},
      wire_(loop.slab()) {
  if (!MakeSsl()) return;
  wire_.Preload(already_read);
  BeginHandshake();
}

TlsTransport::TlsTransport(loop::Loop& loop, const SocketAddress& to, const SocketAddress& source,
                           std::shared_ptr<const TlsProfile> profile)
    : loop_(loop),
      profile_(std::move(profile)),
      state_(State::kConnecting),
      verification_{&loop, &profile_->requirements(), nullptr, std::nullopt},
      wire_(loop.slab()) {
  if (!MakeSsl()) return;
  int error = 0;
  socket_ = loop.Connect(to, source, &error);
  if (socket_ == nullptr) {
    Fail(ConnectFailure(error));
  } else {
    UpdateWatch();
  }
}

bool TlsTransport::MakeSsl() {
  // Also creates the thread's error queue now, outside any SlabScope, because it outlives the slab.
  ERR_clear_error();
  bssl::UniquePtr<SSL> ssl(SSL_new(profile_->native()));
  bssl::UniquePtr<BIO> bio = wire_.NewBio();
  const std::string& sni = profile_->sni();
  const bool names = !profile_->is_server() && !sni.empty();
  if (ssl == nullptr || bio == nullptr || SSL_set_app_data(ssl.get(), &verification_) != 1 ||
      (names && SSL_set_tlsext_host_name(ssl.get(), sni.c_str()) != 1)) {
    ERR_clear_error();
    Fail({FailureKind::kTlsFailed, "out of memory for a TLS connection"});
    return false;
  }
  SSL_set_shed_handshake_config(ssl.get(), 1);
  BIO* const owned_by_ssl = bio.release();
  SSL_set_bio(ssl.get(), owned_by_ssl, owned_by_ssl);
  if (profile_->is_server()) {
    SSL_set_accept_state(ssl.get());
  } else {
    SSL_set_connect_state(ssl.get());
  }
  ssl_ = std::move(ssl);
  return true;
}

void TlsTransport::UpdateWatch() {
  switch (state_) {
    case State::kConnecting:
      return socket_->Watch(this, false, true);
    case State::kHandshaking:
      return socket_->Watch(this, true, wire_.has_output());
    case State::kOpen:
      return socket_->Watch(this, read_enabled_ && !end_seen_ && !read_ended_,
                            (wire_.has_output() || caller_blocked_) && write_error_ == 0);
    case State::kFailed:
    case State::kClosed:
      return;
  }
}

void TlsTransport::OnSocketReady(int, bool readable, bool writable) {
  if (state_ == State::kConnecting) {
    if (writable) FinishConnect();
    return;
  }
  if (writable && (wire_.has_output() || caller_blocked_)) {
    OnWritable();
  } else if (writable) {
    UpdateWatch();  // pending bytes went out with a later flush
  }
  if (!readable) return;
  if (state_ == State::kHandshaking) return OnHandshakeReadable();
  if (state_ == State::kOpen && read_enabled_ && !read_ended_) events_->OnTransportReadable();
}

void TlsTransport::OnTurnEnd() {
  switch (state_) {
    case State::kHandshaking:
      if (wire_.has_input()) StepHandshake();
      return;
    case State::kOpen:
      if (read_enabled_ && HasBuffered()) events_->OnTransportReadable();
      return;
    case State::kFailed:
      return events_->OnTransportFailed(failure_);
    case State::kConnecting:
    case State::kClosed:
      return;
  }
}

void TlsTransport::FinishConnect() {
  if (const int error = socket_->TakeError(); error != 0) return Fail(ConnectFailure(error));
  state_ = State::kHandshaking;
  BeginHandshake();
  StepHandshake();
}

void TlsTransport::BeginHandshake() {
  handshake_timer_ = loop_.NewTimer([this] { Fail(TimedOut()); });
  handshake_timer_->Start(profile_->handshake_timeout());
  UpdateWatch();
  if (wire_.has_input()) loop_.AtTurnEnd(*this);
}

void TlsTransport::OnHandshakeReadable() {
  if (!wire_.has_input()) {
    const ssize_t count = wire_.Fill(*socket_, kMaxInput);
    if (count == -EAGAIN) return;
    if (count == 0) {
      return Fail({FailureKind::kTlsFailed, "the peer closed during the TLS handshake"});
    }
    if (count < 0) return Fail({FailureKind::kTlsFailed, "reset during the TLS handshake"});
  }
  StepHandshake();
}

void TlsTransport::StepHandshake() {
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) return FinishHandshake();
  if (SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ) return FailHandshake();
  Flush();
}

void TlsTransport::FinishHandshake() {
  handshake_timer_->Stop();
  // A lost connection is reported after OnTransportReady, when it is read.
  Flush();
  if (state_ != State::kHandshaking) return;
  state_ = State::kOpen;
  UpdateWatch();
  // Application data that came with the last handshake message: the socket will not report it.
  if (read_enabled_ && HasBuffered()) loop_.AtTurnEnd(*this);
  events_->OnTransportReady();
}

void TlsTransport::FailHandshake() {
  const uint32_t error = ERR_peek_error();
  const Failure why =
      verification_.refused ? RefusalOf(*verification_.refused) : FailureOfTlsError(error);
  ERR_clear_error();
  // Sends the alert and discards what the peer has sent meanwhile: closing with unread bytes would
  // reset the connection and overtake the alert.
  wire_.Flush(*socket_);
  socket_->ShutdownWrite();
  wire_.DropInput();
  wire_.Fill(*socket_, kMaxInput);
  Fail(why);
}

void TlsTransport::OnWritable() {
  if (!Flush()) return;
  UpdateWatch();
  SendFinIfDue();
  if (state_ == State::kOpen && std::exchange(caller_blocked_, false)) {
    bytes_written_ += sealed_ahead_;
    events_->OnTransportWritable();
  }
}

bool TlsTransport::HasBuffered() const {
  return wire_.has_input() || SSL_pending(ssl_.get()) > 0 || (end_seen_ && !read_ended_);
}

ReadResult TlsTransport::Read(Buffer& into, size_t limit) {
  if (state_ == State::kFailed) return {ReadStatus::kFailed};
  if (state_ != State::kOpen || limit == 0) return {ReadStatus::kWouldBlock};
  if (read_ended_) return {ReadStatus::kEnd};
  if (!HasBuffered()) {
    const ssize_t count = wire_.Fill(*socket_, std::min(kMaxInput, limit + kRecordOverhead));
    if (count == -EAGAIN) return {ReadStatus::kWouldBlock};
    if (count <= 0) return EndOfInput(count);
  }
  const ReadResult result = Decrypt(into, limit);
  if (state_ == State::kOpen && read_enabled_ && HasBuffered()) loop_.AtTurnEnd(*this);
  return result;
}

ReadResult TlsTransport::Decrypt(Buffer& into, size_t limit) {
  SlabScope scope(loop_.slab());
  size_t total = 0;
  while (total < limit) {
    const size_t left = limit - total;
    const std::span<char> room = into.Reserve(std::min(left, read_large_ ? kRecord : kSmallRead));
    const size_t offered = std::min(room.size(), left);
    const int count = SSL_read(ssl_.get(), room.data(), static_cast<int>(offered));
    into.Commit(count > 0 ? static_cast<size_t>(count) : 0);
    if (count > 0) {
      read_large_ = static_cast<size_t>(count) == offered;
      total += static_cast<size_t>(count);
      continue;
    }
    const ReadStatus status = Explain(count);
    if (status == ReadStatus::kFailed) return {status, total};
    if (status == ReadStatus::kEnd && total == 0) {
      read_ended_ = true;
      return {status};
    }
    break;
  }
  got_data_ |= total > 0;
  return {total > 0 ? ReadStatus::kOk : ReadStatus::kWouldBlock, total};
}

ReadStatus TlsTransport::Explain(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      // Post-handshake messages may have produced output. Pending output goes first.
      if (!caller_blocked_ && wire_.has_output() && Flush()) SendFinIfDue();
      return ReadStatus::kWouldBlock;
    case SSL_ERROR_ZERO_RETURN:
      end_seen_ = true;
      UpdateWatch();
      return ReadStatus::kEnd;
    default:
      break;
  }
  const uint32_t error = ERR_peek_error();
  const bool refused = IsCertificateAlert(error) && !got_data_;
  const Failure why = refused ? FailureOfTlsError(error) : Lost(0);
  ERR_clear_error();
  read_ended_ = true;
  wire_.Flush(*socket_);
  Fail(why);
  return ReadStatus::kFailed;
}

ReadResult TlsTransport::EndOfInput(ssize_t count) {
  read_ended_ = true;
  fin_came_ = fin_came_ || (count == 0 && write_error_ == 0);
  Failure why = Lost(write_error_ != 0 ? write_error_ : static_cast<int>(count));
  if (count == 0 && write_error_ == 0) {
    why.detail = "the peer closed without TLS close_notify: it crashed, or the connection was cut";
  }
  Fail(why);
  return {ReadStatus::kFailed};
}

void TlsTransport::Write(Buffer& from) {
  if (state_ != State::kOpen || write_error_ != 0 || shutdown_) return;
  if (wire_.has_output()) {
    caller_blocked_ = !from.empty();
    return;
  }
  from.Drain(std::exchange(sealed_ahead_, 0));
  SlabScope scope(loop_.slab());
  Buffer sealed(loop_.slab());
  while (!from.empty()) {
    if (!Seal(from, sealed)) return Fail({FailureKind::kInternal, "TLS cannot encrypt"});
    if (!Flush()) break;
    bytes_written_ += sealed.size();
    sealed.Clear();
  }
  HoldBack(sealed, from);
  caller_blocked_ = state_ == State::kOpen && !from.empty();
}

// The socket has not accepted everything. One byte stays with the caller until it has: as with
// plain transports, an empty buffer means that everything is written and that closing is safe. All
// other bytes count as written, because the peer may have received them: code that asks whether a
// request was sent must not get a wrong "no".
void TlsTransport::HoldBack(Buffer& sealed, Buffer& from) {
  if (sealed.empty()) return;
  sealed_ahead_ = 1;
  bytes_written_ += sealed.size() - sealed_ahead_;
  sealed.Drain(sealed.size() - sealed_ahead_);
  sealed.Append(from);
  from.Append(sealed);
}

bool TlsTransport::Seal(Buffer& from, Buffer& sealed) {
  while (!from.empty() && sealed.size() < kBatch) {
    std::string_view piece = from.Front();
    if (piece.size() < kWorthARecord) piece = from.Linearize(kRecord);
    piece = piece.substr(0, kRecord);
    const int count = SSL_write(ssl_.get(), piece.data(), static_cast<int>(piece.size()));
    if (count <= 0) {
      ERR_clear_error();
      return false;
    }
    sealed.AppendFront(from, static_cast<size_t>(count));
  }
  return true;
}

bool TlsTransport::Flush() {
  if (write_error_ != 0) return false;
  const int error = wire_.Flush(*socket_);
  if (error == 0) return true;
  if (error != -EAGAIN) {
    FailWrite(error);
  } else {
    UpdateWatch();
  }
  return false;
}

// As with plain transports, read what the kernel still holds first: it may be a response, or an
// alert with the reason.
void TlsTransport::FailWrite(int error) {
  // Plain transports report the reason.
  fin_came_ = fin_came_ || error == -EPIPE;
  wire_.DropOutput();
  const bool lost = error == -EPIPE || error == -ECONNRESET || error == -ETIMEDOUT;
  const bool reads = state_ == State::kHandshaking || (read_enabled_ && !read_ended_);
  if (!lost || !reads) return Fail(Lost(error));
  write_error_ = error;
  UpdateWatch();
}

Failure TlsTransport::Lost(int error) const {
  if (state_ == State::kHandshaking) {
    return {FailureKind::kTlsFailed, "the connection was lost during the TLS handshake"};
  }
  const FailureKind kind =
      profile_->is_server() ? FailureKind::kDownstreamClosed : FailureKind::kUpstreamReset;
  if (error == -ETIMEDOUT) return {kind, "connection timed out: the peer stopped responding"};
  return {kind, error == 0 ? "TLS protocol error or alert" : "connection reset by peer"};
}

void TlsTransport::Fail(Failure failure) {
  failure_ = failure;
  state_ = State::kFailed;
  if (handshake_timer_ != nullptr) handshake_timer_->Stop();
  wire_.DropInput();
  wire_.DropOutput();
  if (socket_ != nullptr) socket_->Watch(this, false, false);
  loop_.AtTurnEnd(*this);
}

// After close_notify the socket's own end must still be observed: a peer may announce the end of
// its output and continue reading.
bool TlsTransport::ClosedUnreadSince(uint64_t mark) {
  if (socket_ == nullptr) return false;
  if (!fin_came_ && end_seen_ && write_error_ == 0) {
    char scratch;
    const iovec piece{&scratch, 1};
    fin_came_ = socket_->Readv({&piece, 1}) == 0;
  }
  if (!fin_came_) return false;
  const std::optional<uint64_t> acknowledged = socket_->AcknowledgedBytes();
  return acknowledged && *acknowledged <= mark;
}

void TlsTransport::EnableRead(bool enabled) {
  if (read_enabled_ == enabled) return;
  read_enabled_ = enabled;
  if (state_ != State::kOpen) return;
  UpdateWatch();
  if (enabled && HasBuffered()) loop_.AtTurnEnd(*this);
}

void TlsTransport::ShutdownWrite() {
  if (state_ != State::kOpen || std::exchange(shutdown_, true) || write_error_ != 0) return;
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
  if (Flush()) SendFinIfDue();
}

void TlsTransport::SendFinIfDue() {
  if (!shutdown_ || wire_.has_output() || std::exchange(fin_sent_, true)) return;
  // A failure here means that the connection is already lost, which reading reports.
  socket_->ShutdownWrite();
}

void TlsTransport::Close(bool reset) {
  if (state_ == State::kOpen && !reset && !shutdown_ && !wire_.has_output()) {
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
    wire_.Flush(*socket_);
  }
  if (socket_ != nullptr && reset) socket_->ResetOnClose();
  socket_.reset();
  if (handshake_timer_ != nullptr) handshake_timer_->Stop();
  wire_.DropInput();
  wire_.DropOutput();
  state_ = State::kClosed;
  events_ = nullptr;
  Unlink();
}

SocketAddress TlsTransport::LocalAddress() const {
  return socket_ ? socket_->LocalAddress() : SocketAddress();
}

SocketAddress TlsTransport::PeerAddress() const {
  return socket_ ? socket_->PeerAddress() : SocketAddress();
}

SocketAddress TlsTransport::OriginalDestination() const {
  return socket_ ? socket_->OriginalDestination() : SocketAddress();
}

std::vector<std::string_view> TlsTransport::peer_chain() const {
  if (ssl_ == nullptr) return {};
  return PresentedChain(ssl_.get());
}

TlsTerms TlsTransport::tls_terms() const {
  if (ssl_ == nullptr) return {};
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl_.get());
  if (cipher == nullptr) return {};
  return {static_cast<uint16_t>(SSL_version(ssl_.get())), SSL_CIPHER_get_protocol_id(cipher)};
}

std::string_view TlsTransport::alpn() const {
  if (ssl_ == nullptr) return {};
  const uint8_t* name = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &length);
  return {reinterpret_cast<const char*>(name), length};
}

std::string_view TlsTransport::sni() const {
  if (!profile_->is_server()) return profile_->sni();
  if (ssl_ == nullptr) return {};
  const char* name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
  return name == nullptr ? std::string_view() : std::string_view(name);
}

bool TlsTransport::IsQuiet() {
  return state_ == State::kOpen && !read_ended_ && !HasBuffered() && socket_->PeekPending() == 0;
}

}  // namespace tulle::tls
