// The life of one HTTP/2 stream (RFC 9113 5.1) as three values with one place for each transition:
// the message that the peer sends, the message that we send, and how the stream itself ends. The
// two messages advance independently, and so "half-closed" is not a state here:
//
//   RFC 9113             receiving             sending                lifetime
//   open                 kHead, kBody          kHead to kBodyTaken    kOpen
//   half-closed remote   kEnded, kDelivered    kHead to kBodyTaken    kOpen
//   half-closed local    kHead, kBody          kSent                  kOpen
//   closed               any                   any                    kClosed
//
// Pure values without I/O. Owner: a Stream. Thread: the stream's. What the peer causes is accepted
// in any state (nghttp2 has checked it); what our own side must not do in a state is asserted.
#pragma once

#include <cassert>
#include <cstdint>
#include <utility>

namespace tulle::http2 {

// The message that the peer sends, and how much of it the user of the stream has been given.
class ReceivingState {
 public:
  bool head_received() const { return state_ != State::kHead; }
  // END_STREAM has arrived.
  bool ended() const { return state_ == State::kEnded || state_ == State::kDelivered; }
  // END_STREAM has arrived, and the user has not been told.
  bool end_pending() const { return state_ == State::kEnded; }

  // The final head was received and is delivered at once.
  void OnHead(bool end) {
    if (state_ == State::kHead) state_ = end ? State::kDelivered : State::kBody;
  }
  // END_STREAM on DATA or trailers. Possibly without a head: it is not decoded for a detached
  // stream.
  void OnEnd() {
    if (state_ == State::kHead || state_ == State::kBody) state_ = State::kEnded;
  }
  void OnEndDelivered() {
    assert(state_ == State::kEnded);
    state_ = State::kDelivered;
  }
  // The stream ended before the exchange was complete.
  void OnReset() { state_ = State::kReset; }
  bool reset() const { return state_ == State::kReset || state_ == State::kResetDelivered; }
  // True once after OnReset: the user must be told now.
  bool TakeReset() {
    if (state_ != State::kReset) return false;
    state_ = State::kResetDelivered;
    return true;
  }

 private:
  enum class State : uint8_t {
    kHead,            // waits for the head; interim responses may precede it
    kBody,            // the head was delivered; body and trailers may follow
    kEnded,           // complete; the rest waits for the user's credit
    kDelivered,       // the user has been given the end
    kReset,           // cut off; the user has not been told
    kResetDelivered,  // the user has been told
  };
  State state_ = State::kHead;
};

// The message that we send, and how much of it nghttp2 has taken.
class SendingState {
 public:
  bool head_submitted() const { return state_ != State::kHead; }
  // The user has given us the end of the message.
  bool ended() const { return state_ >= State::kEnded; }
  // Our END_STREAM was written.
  bool sent() const { return state_ == State::kSent; }

  void OnHead(bool end) {
    assert(state_ == State::kHead);
    state_ = end ? State::kEnded : State::kBody;
  }
  // The user added body or ended the message (trailers always end it). True: nghttp2 had run out
  // of body and must be resumed.
  [[nodiscard]] bool OnMore(bool end) {
    assert(state_ == State::kBody || state_ == State::kPaused);
    return std::exchange(state_, end ? State::kEnded : State::kBody) == State::kPaused;
  }
  // nghttp2 asked for body, and there is none yet.
  void OnPaused() {
    if (state_ == State::kBody) state_ = State::kPaused;
  }
  // The last body byte was taken. True once: the trailers, if any, must be submitted now.
  bool OnBodyTaken() {
    if (state_ != State::kEnded) return false;
    state_ = State::kBodyTaken;
    return true;
  }
  void OnSent() { state_ = State::kSent; }

 private:
  enum class State : uint8_t {
    kHead,       // the user has not sent the head; interim responses may precede it
    kBody,       // body and trailers may follow
    kPaused,     // as kBody; nghttp2 waits to be resumed
    kEnded,      // the user has sent everything; some of it waits for the peer's window
    kBodyTaken,  // nghttp2 has taken the rest of the body; trailers may still follow
    kSent,       // END_STREAM was written
  };
  State state_ = State::kHead;
};

// Whether nghttp2 knows the stream, and which side ended it early.
class Lifetime {
 public:
  bool open() const { return state_ == State::kOpen; }
  bool closed() const { return state_ == State::kClosed; }
  bool reset_by_us() const { return state_ == State::kResetByUs; }
  bool reset_by_peer() const { return state_ == State::kResetByPeer; }

  // We end the stream early. True: send RST_STREAM, which must be done at most once.
  [[nodiscard]] bool OnResetByUs() {
    if (state_ != State::kOpen) return false;
    state_ = State::kResetByUs;
    return true;
  }
  // RST_STREAM arrived, perhaps crossing ours.
  void OnResetByPeer() {
    if (state_ != State::kClosed) state_ = State::kResetByPeer;
  }
  // Nothing can be sent or received any more.
  void OnClosed() { state_ = State::kClosed; }

 private:
  enum class State : uint8_t {
    kOpen,         // idle or open: nghttp2 knows it, or will when the request head is sent
    kResetByUs,    // our RST_STREAM is queued because the user reset or left the stream
    kResetByPeer,  // until nghttp2 closes the stream, in the same call
    kClosed,       // nghttp2 no longer knows the id
  };
  State state_ = State::kOpen;
};

}  // namespace tulle::http2
