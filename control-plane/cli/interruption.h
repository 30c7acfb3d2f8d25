// Lets a command end what it has begun on the server when the user ends it.
#pragma once

#include <signal.h>

namespace tulle::cli {

// While it lives, the first SIGINT, SIGTERM or SIGHUP is only noted; a second one ends the program
// at once. Owner: a command, of which there is one at a time. Thread: the only one.
class Interruption {
 public:
  Interruption();
  ~Interruption();
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  // The signal that came; 0: none.
  int signal() const;

 private:
  struct sigaction former_[3];
};

}  // namespace tulle::cli
