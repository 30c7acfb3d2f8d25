#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <string_view>

namespace tulle::failures {

// The system calls of a data path, as the process calls them.
enum class Call : uint8_t {
  kReadv,
  kSendmsg,
  kAccept4,
  kSocket,
  kConnect,
  kShutdown,
  kSetsockopt,
  kGetsockopt,
  kGetsockname,
  kEpollAdd,  // libuv's trial of a descriptor; behind it libuv would end the process
  kCount,
};
std::string_view NameOf(Call call);

// Instead of the call: -1 with this errno; or, if `most` is not 0, the call with that many bytes.
struct Fault {
  int error = 0;
  uint32_t most = 0;
};

// Makes calls of one thread fail: the binary that links this has its own readv, sendmsg and so on,
// which pass everything on but what was asked for here.
//
// There is one, Calls(). WatchThisThread is for the thread whose calls count, the rest for another,
// while nothing is under way.
class FailingCalls {
 public:
  void WatchThisThread();
  // The `nth` call (from 1) of that kind will fail, and the `times` - 1 behind it.
  void Arm(Call call, Fault fault, int nth, int times = 1);
  // Whether it did.
  bool Disarm();

  // For the calls.
  const Fault* Strike(Call call);

 private:
  std::atomic<pthread_t> watched_{};
  std::atomic<int> to_pass_ = 0;
  std::atomic<int> to_fail_ = 0;
  std::atomic<Call> call_ = Call::kCount;
  Fault fault_;
  std::atomic<bool> struck_ = false;
};
FailingCalls& Calls();

}  // namespace tulle::failures
