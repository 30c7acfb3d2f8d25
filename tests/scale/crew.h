#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "net/loop/loop.h"
#include "tests/scale/imitated_sidecar.h"
#include "tests/scale/witness.h"

namespace tulle::scale {

// A thread with its loop and several hundred imitated sidecars. Owner: the measurement. Made,
// called and destroyed on the main thread; what it is asked for happens later, in order.
class Crew {
 public:
  explicit Crew(Witness& witness);
  ~Crew();

  void Add(SidecarPlan plan);
  // The sidecar that was added as number `index` uses these listeners.
  void Use(size_t index, std::set<std::string> listeners);

 private:
  struct OnThread;

  void Run(Witness& witness, std::function<void()> started);

  loop::Loop* loop_ = nullptr;
  OnThread* on_thread_ = nullptr;
  std::thread thread_;
};

}  // namespace tulle::scale
