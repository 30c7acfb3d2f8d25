#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "net/base/socket_address.h"
#include "net/loop/loop.h"
#include "tests/scale/witness.h"

namespace tulle::scale {

// An endpoint of one service that moves and leaves when told to: every Move() is one registration
// at another address, whose number the sidecars that receive it can read (witness.h).
//
// Owner: the measurement. A thread and a connection of its own; made, called and destroyed on the
// main thread.
class Mover {
 public:
  struct Options {
    std::string service;
    SocketAddress control;
    std::string token_file;
    std::string state_directory;
  };

  Mover(Options options, Witness& witness);
  ~Mover();

  // The endpoint is at MoverAddress(number) from now on.
  void Move(int number);
  void Leave();
  // Calls that were answered, and those that failed.
  int done() const { return done_; }
  int failed() const { return failed_; }

 private:
  class Registrant;

  void Run(Options options, Witness& witness, std::function<void()> started);

  loop::Loop* loop_ = nullptr;
  Registrant* registrant_ = nullptr;
  std::atomic<int> done_ = 0;
  std::atomic<int> failed_ = 0;
  std::thread thread_;
};

}  // namespace tulle::scale
