#include "sidecar/dataplane/worker_thread.h"

#include <pthread.h>

#include <future>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/loop/uv/uv_loop.h"

namespace tulle::sidecar {

WorkerThread::WorkerThread(int index, MakeObserver make_observer,
                           const proxy::SharedMemoryPressure* memory) {
  std::promise<void> started;
  thread_ = std::thread([this, index, &make_observer, memory, &started] {
    pthread_setname_np(pthread_self(), absl::StrCat("worker-", index).c_str());
    const std::unique_ptr<loop::Loop> own = loop::NewUvLoop();
    {
      WorkerOnLoop worker(*own, make_observer(*own), memory);
      loop_ = own.get();
      worker_ = &worker;
      started.set_value();
      own->Run();
    }
  });
  started.get_future().wait();
}

WorkerThread::~WorkerThread() {
  worker_->Post([this](Worker& worker) {
    worker.Close();
    loop_->Stop();
  });
  thread_.join();
}

}  // namespace tulle::sidecar
