#include "tests/simulation/toy_server.h"

#include <algorithm>
#include <utility>

#include "net/socket/transports.h"

namespace tulle::toy {

void Turnstile::Enter(uint64_t who, std::function<void()> go) {
  if (inside_ != 0) {
    waiting_.push_back({who, std::move(go)});
    return;
  }
  inside_ = who;
  go();
}

void Turnstile::Leave(uint64_t who) {
  std::erase_if(waiting_, [who](const Waiter& waiter) { return waiter.who == who; });
  if (inside_ != who) return;
  const bool unused = granted_.who == who;
  granted_ = {};
  if (unused && drops_grant_) return;
  inside_ = 0;
  PassOn();
}

// The grant is a separate task, so that no request runs inside the end of another.
void Turnstile::PassOn() {
  if (waiting_.empty()) return;
  granted_ = std::move(waiting_.front());
  waiting_.pop_front();
  inside_ = granted_.who;
  loop_.Post([this, to = inside_] { Grant(to); });
}

void Turnstile::Grant(uint64_t to) {
  if (granted_.who != to) return;
  const std::function<void()> go = std::move(granted_.go);
  granted_ = {};
  go();
}

void Backend::Call(uint64_t who, std::function<void()> answer) {
  std::erase_if(pending_, [](const auto& call) { return call->done; });
  pending_.push_back(std::make_unique<Pending>());
  Pending& call = *pending_.back();
  call.who = who;
  call.answer = std::move(answer);
  call.timer = loop_.NewTimer([this, &call] {
    call.done = true;
    if (ledger_.Check(call.who)) call.answer();
  });
  call.timer->Start(std::chrono::microseconds(loop_.random().Below(3000)));
}

void Backend::Cancel(uint64_t who) {
  std::erase_if(pending_, [who](const auto& call) { return call->who == who && !call->done; });
}

class Server::Session final : public TransportEvents, public Deletable {
 public:
  Session(Server& server, std::unique_ptr<Transport> transport)
      : server_(server),
        id_(server.ledger_.Enter()),
        transport_(std::move(transport)),
        received_(server.loop_.slab()),
        pending_(server.loop_.slab()) {
    transport_->SetEvents(this);
  }
  ~Session() override {
    Close();
    server_.ledger_.Leave(id_);
  }

  void OnTransportReady() override { transport_->EnableRead(true); }
  void OnTransportReadable() override {
    const ReadResult result = transport_->Read(received_, 4096);
    if (result.status == ReadStatus::kEnd) return End(!server_.bugs_.forgets_call);
    if (result.status == ReadStatus::kOk && !busy_) TakeRequest();
  }
  void OnTransportWritable() override { transport_->Write(pending_); }
  void OnTransportFailed(Failure) override { End(true); }

  void End(bool cancel) {
    if (transport_ == nullptr) return;
    if (cancel) server_.backend_.Cancel(id_);
    server_.turnstile_.Leave(id_);
    Close();
    server_.Remove(*this);
  }

 private:
  void Close() {
    if (transport_ == nullptr) return;
    transport_->Close(false);
    server_.loop_.DeferDelete(std::move(transport_));
  }
  void TakeRequest() {
    const std::string_view front = received_.Linearize(received_.size());
    const size_t end = front.find('\n');
    if (end == std::string_view::npos) return;
    received_.Drain(end + 1);
    busy_ = true;
    server_.turnstile_.Enter(id_, [this] { server_.backend_.Call(id_, [this] { Answer(); }); });
  }
  void Answer() {
    server_.turnstile_.Leave(id_);
    busy_ = false;
    pending_.Append("ok\n");
    transport_->Write(pending_);
    TakeRequest();
  }

  Server& server_;
  const uint64_t id_;
  std::unique_ptr<Transport> transport_;
  Buffer received_, pending_;
  bool busy_ = false;
};

Server::Server(loop::Loop& loop, const SocketAddress& at, const PlantedBugs& bugs)
    : loop_(loop), bugs_(bugs), turnstile_(loop, bugs.drops_grant), backend_(loop, ledger_) {
  int error = 0;
  listener_ = loop.Listen(at, {}, *this, &error);
}

// Outside every turn, so that no session is on the stack.
Server::~Server() = default;

void Server::OnAccept(std::unique_ptr<loop::Socket> socket) {
  sessions_.push_back(
      std::make_unique<Session>(*this, PlainAcceptor().Accept(loop_, std::move(socket))));
}

void Server::Remove(Session& session) {
  const auto found = std::find_if(sessions_.begin(), sessions_.end(),
                                  [&](const auto& held) { return held.get() == &session; });
  loop_.DeferDelete(std::move(*found));
  sessions_.erase(found);
}

}  // namespace tulle::toy
