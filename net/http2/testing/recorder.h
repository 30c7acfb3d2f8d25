#pragma once

#include <memory>
#include <string>
#include <vector>

#include "net/base/arena.h"
#include "net/http/connection.h"
#include "net/http/stream.h"

namespace tulle::http2::testing {

// Records the events of one stream as text; the test controls how it pulls.
//
// "H GET /path a=b" or "H 200 a=b", "h 103" (interim), "D<bytes>", "T a=b", "!" after the end of
// the message, "R <cause>", "room".
class RecordedStream final : public http::StreamEvents {
 public:
  explicit RecordedStream(Slab& slab) : arena_(slab), body(slab) {}
  ~RecordedStream() override { Release(); }

  Arena& arena() override { return arena_; }
  void OnInterim(http::Head& head) override;
  void OnHeaders(http::Head& head, bool end) override;
  void OnData(Buffer& data, bool end) override;
  void OnTrailers(http::HeaderMap& trailers) override;
  void OnReset(Failure failure) override;
  void OnSendRoom() override { log += "room "; }

  void Release();

 private:
  Arena arena_;

 public:
  http::Stream* stream = nullptr;
  bool auto_pull = true;  // gives credit for everything
  std::string log;
  Buffer body;
  Failure failure;
  bool ended = false;
};

class RecordedServer final : public http::ServerConnectionEvents {
 public:
  explicit RecordedServer(Slab& slab) : slab_(slab) {}
  http::StreamEvents* OnStream(http::Stream& stream) override;
  void OnConnectionClosed(Failure why) override {
    closed = true;
    failure = why;
  }

  std::vector<std::unique_ptr<RecordedStream>> streams;
  bool auto_pull = true;
  bool closed = false;
  Failure failure;

 private:
  Slab& slab_;
};

class RecordedClient final : public http::ClientConnectionEvents {
 public:
  void OnConnectionReady() override { ready = true; }
  void OnStreamRoom() override { ++rooms; }
  void OnConnectionClosed(Failure why) override {
    closed = true;
    failure = why;
  }

  bool ready = false;
  int rooms = 0;
  bool closed = false;
  Failure failure;
};

}  // namespace tulle::http2::testing
