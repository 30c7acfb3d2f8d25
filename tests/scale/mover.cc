#include "tests/scale/mover.h"

#include <chrono>
#include <deque>
#include <future>
#include <utility>

#include "certs/private_key.h"
#include "net/grpc/channel.h"
#include "net/loop/uv/uv_loop.h"
#include "net/tls/tls_transports.h"
#include "sidecar/identity/identity_agent.h"
#include "tests/scale/imitated_sidecar.h"
#include "tulle/registry/v1/registry.pb.h"

namespace tulle::scale {
namespace {

constexpr char kRegister[] = "/tulle.registry.v1.Registry/Register";
constexpr char kDeregister[] = "/tulle.registry.v1.Registry/Deregister";
constexpr loop::Duration kCallTimeout = std::chrono::seconds(60);
constexpr int64_t kLeaseSeconds = 300;  // longer than a run without heartbeats

}  // namespace

// Speaks to the registry, one call at a time, in order.
class Mover::Registrant final : private identity::IdentityAgent::Events,
                                private grpc::ChannelEvents {
 public:
  Registrant(loop::Loop& loop, Mover& mover, const Options& options, Witness& witness)
      : loop_(loop),
        mover_(mover),
        service_(options.service),
        witness_(witness),
        agent_(loop, tls::TlsTransports(), keys_,
               {{options.control}, options.token_file, options.state_directory},
               static_cast<identity::IdentityAgent::Events&>(*this)),
        channel_(
            loop, [this] { return agent_.Connect(); }, ControlChannelOptions(),
            static_cast<grpc::ChannelEvents&>(*this)) {
    agent_.Start();
  }

  // Empty: it leaves.
  void Ask(std::string address) {
    waiting_.push_back(std::move(address));
    CallNext();
  }

 private:
  void OnIdentity(const std::shared_ptr<const identity::Identity>&) override {
    if (!std::exchange(has_identity_, true)) channel_.Start();
  }
  void OnIdentityError(const std::string& error) override { witness_.OnError(error); }
  void OnChannelReady() override { CallNext(); }
  void OnChannelLost(Failure) override {}

  void CallNext() {
    if (call_ != nullptr || waiting_.empty() || !channel_.ready()) return;
    const std::string address = std::move(waiting_.front());
    waiting_.pop_front();
    const char* path = address.empty() ? kDeregister : kRegister;
    call_ = channel_.NewUnaryCall(path, address.empty() ? Farewell() : RequestFor(address),
                                  kCallTimeout,
                                  [this](const grpc::Status& status, const std::string& response) {
                                    OnAnswer(status, response);
                                  });
  }

  void OnAnswer(const grpc::Status& status, const std::string& response) {
    loop_.DeferDelete(std::move(call_));
    registry::v1::RegisterResponse answer;
    if (status.ok() && answer.ParseFromString(response) && !answer.lease_id().empty())
      lease_ = answer.lease_id();
    ++(status.ok() ? mover_.done_ : mover_.failed_);
    if (!status.ok()) witness_.OnError("moving an endpoint: " + std::string(status.message));
    loop_.Post([this] { CallNext(); });
  }

  std::string RequestFor(const std::string& address) const {
    registry::v1::RegisterRequest request;
    request.set_instance_id("mover");
    request.set_service(service_);
    request.set_address(address);
    request.mutable_ttl()->set_seconds(kLeaseSeconds);
    registry::v1::Port* port = request.add_ports();
    port->set_number(8080);
    port->set_listen_port(8080);
    port->set_application_port(8080);
    port->set_service_port(80);
    port->set_protocol("http");
    return request.SerializeAsString();
  }

  std::string Farewell() const {
    registry::v1::DeregisterRequest request;
    request.set_lease_id(lease_);
    return request.SerializeAsString();
  }

  loop::Loop& loop_;
  Mover& mover_;
  const std::string service_;
  Witness& witness_;
  certs::SystemKeySource keys_;
  identity::IdentityAgent agent_;
  grpc::Channel channel_;
  std::unique_ptr<grpc::UnaryCall> call_;
  std::deque<std::string> waiting_;
  std::string lease_;
  bool has_identity_ = false;
};

Mover::Mover(Options options, Witness& witness) {
  std::promise<void> started;
  thread_ = std::thread([this, &options, &witness, &started] {
    Run(std::move(options), witness, [&started] { started.set_value(); });
  });
  started.get_future().wait();
}

void Mover::Run(Options options, Witness& witness, std::function<void()> started) {
  const std::unique_ptr<loop::Loop> loop = loop::NewUvLoop();
  auto registrant = std::make_unique<Registrant>(*loop, *this, options, witness);
  loop_ = loop.get();
  registrant_ = registrant.get();
  started();
  loop->Run();
}

Mover::~Mover() {
  loop_->Post([this] { loop_->Stop(); });
  thread_.join();
}

void Mover::Move(int number) {
  loop_->Post([this, address = MoverAddress(number)] { registrant_->Ask(address); });
}

void Mover::Leave() {
  loop_->Post([this] { registrant_->Ask(""); });
}

}  // namespace tulle::scale
