#pragma once

#include <string>
#include <vector>

#include "net/http/stream.h"

namespace tulle::http {

// One line each, names in lower case: "GET /x host=a.b (x-a: 1)" or "200 (x-a: 1)".
std::string Describe(const Head& head);
std::string Describe(const HeaderMap& headers);

// A StreamEvents that records its events: "interim HEAD", "headers HEAD", "data N", "trailers
// (...)", "end", "reset CAUSE", "room". The content itself is kept separately. Owner: the test.
class StreamRecorder : public StreamEvents {
 public:
  explicit StreamRecorder(Slab& slab) : arena_(slab), content_(slab) {}

  Arena& arena() override { return arena_; }
  void OnInterim(Head& head) override;
  void OnHeaders(Head& head, bool end) override;
  void OnData(Buffer& data, bool end) override;
  void OnTrailers(HeaderMap& trailers) override;
  void OnReset(Failure failure) override;
  void OnSendRoom() override { log_.push_back("room"); }

  // A 101 response is about to be sent on a server's stream: bytes may follow the request's end.
  void Upgrade() { ended_ = false; }

  const std::vector<std::string>& log() const { return log_; }
  std::string Joined() const;  // the log in one line, "; " between
  std::string content() const { return content_.ToString(); }
  const Head* head() const { return head_; }
  bool ended() const { return ended_; }
  Failure failure() const { return failure_; }

 private:
  void End();

  Arena arena_;
  Buffer content_;
  std::vector<std::string> log_;
  Head* head_ = nullptr;
  bool ended_ = false;
  Failure failure_;
};

}  // namespace tulle::http
