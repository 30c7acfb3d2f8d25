#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "net/base/buffer.h"
#include "net/grpc/message_reader.h"
#include "net/http/stream.h"

namespace tulle::grpc {

// The receiving half of a call: turns the demand for one more message into credit on the stream,
// and body into messages. Owner: a call. Thread: the loop's.
class MessageInlet {
 public:
  enum class Result : uint8_t {
    kMessage,
    kWaiting,  // no message was requested, or more body must arrive
    kEnd,      // the body ended after a whole message
    kBroken,   // see error()
  };

  MessageInlet(Slab& slab, size_t limit) : reader_(slab, limit) {}

  void set_stream(http::Stream* stream) { stream_ = stream; }
  // Requests one more message.
  void Want() { ++wanted_; }
  void OnData(Buffer& data, bool end);
  void OnEnd() { ended_ = true; }
  // Call until it returns something other than kMessage; again after Want, OnData and OnEnd.
  Result Take(std::string& message);
  // A message was requested and has begun, and the rest of it has not arrived.
  bool in_message() const { return wanted_ != 0 && !ended_ && reader_.in_message(); }
  const char* error() const { return error_; }
  bool too_large() const { return too_large_; }

 private:
  MessageReader reader_;
  http::Stream* stream_ = nullptr;
  size_t credit_ = 0;
  size_t wanted_ = 0;
  const char* error_ = "";
  bool ended_ = false;
  bool too_large_ = false;
};

}  // namespace tulle::grpc
