// A tap of one command: requests as they end, read from the control plane. When the server was
// restarted, or did not answer for a while, another one is opened. Owner: the command. Thread: the
// only one.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control-plane/cli/session.h"
#include "control-plane/cli/watch.h"

namespace tulle::cli {

class LiveRequests {
 public:
  // An error: the filter is wrong, or the server does not open a tap.
  static absl::StatusOr<LiveRequests> Open(Session& session);
  // From now on, requests that are left out are counted, without a warning each time.
  void CountLosses() { says_losses_ = false; }
  int64_t left_out() const { return left_out_; }
  // Ends the tap; if the server does not answer, it ends by itself.
  void Close();

  // What has ended since the last call; waits up to a second for the first request. Problems that
  // do not end the tap are written as warnings. An empty object: there was one that may pass.
  absl::StatusOr<Json> Read();

 private:
  LiveRequests(Session& session, Json filter)
      : session_(&session), filter_(std::move(filter)), watch_(session) {}
  absl::Status Reopen();
  void SayProblems(const Json& news);

  Session* session_;
  Json filter_;
  Watch watch_;
  std::string path_;  // empty: it must be opened
  bool is_first_ = true;
  bool says_losses_ = true;
  int64_t left_out_ = 0;
};

}  // namespace tulle::cli
