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
  kEpollAdd,  // libuv's test of a descriptor; if the kernel refuses it later, libuv aborts the
              // process
  kCount,
};
std::string_view NameOf(Call call);

// Instead of making the call, returns -1 with this errno; or, if `most` is not 0, makes the call
// with that many bytes.
struct Fault {
  int error = 0;
  uint32_t most = 0;
};

// Makes calls of one thread fail. The binary that links this has its own readv, sendmsg and so on,
// which pass on every call that is not selected here.
//
// There is one instance, Calls(). Call WatchThisThread on the thread whose calls count, and the
// rest on another thread while nothing is in progress.
class FailingCalls {
 public:
  void WatchThisThread();
  // Makes the `nth` call (from 1) of that kind fail, and the `times` - 1 after it.
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
