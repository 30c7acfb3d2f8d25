#include "tests/scale/crew.h"

#include <future>
#include <span>
#include <utility>

#include "certs/private_key.h"
#include "net/loop/uv/uv_loop.h"
#include "tests/scale/named_resources.h"

namespace tulle::scale {
struct Crew::OnThread {
  // The same key for everyone: making one costs the imitators time that they do not have.
  class SharedKeySource final : public certs::KeySource {
   public:
    certs::PrivateKey Generate() override { return key_; }
    void FillRandom(std::span<uint8_t> out) override { system_.FillRandom(out); }

   private:
    certs::SystemKeySource system_;
    const certs::PrivateKey key_ = system_.Generate();
  };

  explicit OnThread(Witness& told) : witness(told) {}

  Witness& witness;
  SharedKeySource keys;
  NamedResourcesCache names;
  std::vector<std::unique_ptr<ImitatedSidecar>> sidecars;
};

Crew::Crew(Witness& witness) {
  std::promise<void> started;
  thread_ = std::thread(
      [this, &witness, &started] { Run(witness, [&started] { started.set_value(); }); });
  started.get_future().wait();
}

void Crew::Run(Witness& witness, std::function<void()> started) {
  const std::unique_ptr<loop::Loop> loop = loop::NewUvLoop();
  OnThread state(witness);
  loop_ = loop.get();
  on_thread_ = &state;
  started();
  loop->Run();
}

Crew::~Crew() {
  loop_->Post([this] {
    on_thread_->sidecars.clear();
    loop_->Stop();
  });
  thread_.join();
}

void Crew::Add(SidecarPlan plan) {
  loop_->Post([this, plan = std::move(plan)]() mutable {
    on_thread_->sidecars.push_back(std::make_unique<ImitatedSidecar>(
        *loop_, on_thread_->keys, on_thread_->names, std::move(plan), on_thread_->witness));
    on_thread_->sidecars.back()->Start();
  });
}

void Crew::Use(size_t index, std::set<std::string> listeners) {
  loop_->Post([this, index, listeners = std::move(listeners)]() mutable {
    on_thread_->sidecars[index]->Use(std::move(listeners));
  });
}

}  // namespace tulle::scale
