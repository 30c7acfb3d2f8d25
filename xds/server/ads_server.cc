#include "xds/server/ads_server.h"

#include <cassert>
#include <utility>

#include "envoy/config/core/v3/base.pb.h"
#include "xds/proto/type_urls.h"

namespace tulle::xds {
namespace {

grpc::Status ToGrpc(const absl::Status& status) {
  const absl::string_view text = status.message();
  return {static_cast<grpc::Code>(status.code()), std::string(text.data(), text.size())};
}

}  // namespace

class AdsServer::Stream final : public grpc::CallHandler, public ListNode<Stream> {
 public:
  Stream(AdsServer& server, grpc::ServerCall& call, std::unique_ptr<Session> session)
      : server_(server), call_(&call), session_(std::move(session)) {
    timer_ = server.loop_.NewTimer([this] { Pump(); });
    server_.streams_.PushBack(*this);
    ++server_.stream_count_;
    call_->Read();
  }
  ~Stream() override { Leave(); }

  void OnMessage(std::string message) override;
  void OnHalfClose() override {
    if (call_ != nullptr) Finish({});
  }
  void OnSendRoom() override { Pump(); }
  void OnCancelled() override {
    call_ = nullptr;
    Leave();
  }

  void Refresh();
  const Session& session() const { return *session_; }

 private:
  void Pump();
  void Finish(const grpc::Status& status) {
    std::exchange(call_, nullptr)->Finish(status);
    Leave();
  }
  void Leave() {
    if (!linked()) return;
    Unlink();
    --server_.stream_count_;
    timer_->Stop();
  }

  AdsServer& server_;
  grpc::ServerCall* call_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<loop::Timer> timer_;
};

void AdsServer::Stream::OnMessage(std::string message) {
  if (call_ == nullptr) return;
  const bool introduced = session_->node() != nullptr;
  if (const absl::Status status = session_->OnRequest(message); !status.ok())
    return Finish(ToGrpc(status));
  call_->Read();
  if (!introduced) return Refresh();
  server_.source_.OnAnswer();
  Pump();
}

void AdsServer::Stream::Refresh() {
  if (call_ == nullptr || session_->node() == nullptr) return;
  auto view = server_.source_.ViewFor(*session_->node(), call_->transport());
  if (!view.ok()) return Finish(ToGrpc(view.status()));
  session_->SetView(*std::move(view));
  Pump();
}

void AdsServer::Stream::Pump() {
  const loop::Instant now = server_.loop_.Now();
  while (call_ != nullptr && call_->SendRoom() > 0) {
    const std::optional<std::string> response = session_->Next(now);
    if (!response.has_value()) break;
    call_->Send(*response);
  }
  if (call_ == nullptr) return;
  if (const auto deadline = session_->Deadline(now)) {
    timer_->Start(*deadline - now);
  } else {
    timer_->Stop();
  }
}

AdsServer::AdsServer(loop::Loop& loop, Source& source) : loop_(loop), source_(source) {}

AdsServer::~AdsServer() { assert(streams_.empty()); }

void AdsServer::Register(grpc::ServiceRegistry& registry) {
  registry.AddStreaming(kDeltaPath, [this](grpc::ServerCall& call) {
    return std::make_unique<Stream>(*this, call, NewDeltaSession());
  });
  registry.AddStreaming(kStatePath, [this](grpc::ServerCall& call) {
    return std::make_unique<Stream>(*this, call, NewStateSession());
  });
}

void AdsServer::Refresh() {
  streams_.ForEach([](Stream& stream) { stream.Refresh(); });
}

std::vector<StreamStatus> AdsServer::Statuses() {
  std::vector<StreamStatus> all;
  streams_.ForEach([&all](Stream& stream) {
    const auto* node = stream.session().node();
    all.push_back({node == nullptr ? std::string() : node->id(), stream.session().Statuses()});
  });
  return all;
}

}  // namespace tulle::xds
