#include "sidecar/worker_thread.h"

#include <pthread.h>

#include <future>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/loop/uv/uv_loop.h"

namespace tulle::sidecar {

WorkerThread::WorkerThread(loop::Loop& main, int index, MakeObserver make_observer)
    : main_(main), make_observer_(std::move(make_observer)) {
  std::promise<void> started;
  thread_ = std::thread([this, index, &started] {
    pthread_setname_np(pthread_self(), absl::StrCat("worker-", index).c_str());
    const std::unique_ptr<loop::Loop> own = loop::NewUvLoop();
    {
      const std::unique_ptr<proxy::Observer> observer = make_observer_(*own);
      Worker worker(*own, *observer);
      loop_ = own.get();
      worker_ = &worker;
      started.set_value();
      own->Run();
    }
  });
  started.get_future().wait();
}

WorkerThread::~WorkerThread() {
  loop_->Post([this] {
    worker_->Close();
    loop_->Stop();
  });
  thread_.join();
}

void WorkerThread::Post(std::function<void(Worker& worker)> task) {
  loop_->Post([this, task = std::move(task)] { task(*worker_); });
}

void WorkerThread::Apply(std::shared_ptr<const Version> version,
                         std::function<void(std::vector<std::string> errors)> done) {
  loop_->Post([this, version = std::move(version), done = std::move(done)]() mutable {
    std::vector<std::string> errors = worker_->Apply(std::move(version));
    main_.Post([done = std::move(done), errors = std::move(errors)]() mutable {
      done(std::move(errors));
    });
  });
}

void WorkerThread::Drain() {
  Post([](Worker& worker) { worker.Drain(); });
}

void WorkerThread::AskIdle(std::function<void(bool idle)> done) {
  Post([this, done = std::move(done)](Worker& worker) {
    main_.Post([done, idle = worker.idle()] { done(idle); });
  });
}

}  // namespace tulle::sidecar
