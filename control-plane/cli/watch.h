// What a command with --watch does after each round: it goes on, until its count is reached or an
// error does not pass. Owner: the command. Thread: the only one.
#pragma once

#include <cstdint>
#include <sstream>

#include "absl/status/statusor.h"
#include "control-plane/cli/session.h"

namespace tulle::cli {

// Whether the last call may succeed later: the server did not answer, or could not.
bool MayPass(const Session& session);

class Watch {
 public:
  explicit Watch(Session& session) : session_(&session) {}

  // After a round. True: another one follows, and the pause before it is over. False: it was the
  // last one, or nobody reads any more. The first round must succeed; later an error that may pass
  // is reported once, and what failed is tried again. Any other error is returned.
  absl::StatusOr<bool> Next(const absl::Status& round);
  // The same in two parts, for a watch that does not go by rounds. OK: the pause is over.
  absl::Status AfterError(const absl::Status& error);
  void Succeeded();

 private:
  Session* session_;
  int64_t shown_ = 0;  // rounds that have succeeded
  bool has_warned_ = false;
};

// Collects what a round prints, and shows it at once: on a terminal in the place of the round
// before. A round that failed leaves that one there.
class Screen {
 public:
  explicit Screen(Session& session);
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  void Show(bool is_first);

 private:
  void Restore();

  Session& session_;
  std::ostringstream text_;
  std::streambuf* const shown_;
};

}  // namespace tulle::cli
