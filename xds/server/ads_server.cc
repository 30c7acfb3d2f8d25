#include "xds/server/ads_server.h"

#include <cassert>
#include <utility>

#include "envoy/config/core/v3/base.pb.h"
#include "xds/proto/type_urls.h"

namespace tulle::xds {
namespace {

// So many streams are served in one turn of the loop: some milliseconds, between which the API,
// heartbeats and handshakes are served.
constexpr int kStreamsPerTurn = 16;

grpc::Status ToGrpc(const absl::Status& status) {
  const absl::string_view text = status.message();
  return {static_cast<grpc::Code>(status.code()), std::string(text.data(), text.size())};
}

}  // namespace

class AdsServer::Stream final : public grpc::CallHandler,
                                public SubscriptionObserver,
                                public ListNode<Stream>,
                                public ListNode<Stream, AdsServer::Waiting> {
 public:
  using NewSession = std::unique_ptr<Session> (*)(SubscriptionObserver*);
  using Turn = ListNode<Stream, AdsServer::Waiting>;

  Stream(AdsServer& server, grpc::ServerCall& call, NewSession new_session)
      : server_(server), number_(++server.last_number_), call_(&call), session_(new_session(this)) {
    timer_ = server.loop_.NewTimer([this] { Pump(); });
    server_.streams_.PushBack(*this);
    ++server_.stream_count_;
    call_->Read();
  }
  ~Stream() override {
    Leave();
    session_.reset();  // while this can still be told of its subscriptions
  }

  void OnMessage(std::string message) override;
  void OnHalfClose() override {
    if (call_ != nullptr) Finish({});
  }
  void OnSendRoom() override { Pump(); }
  void OnCancelled() override {
    call_ = nullptr;
    Leave();
  }

  // SubscriptionObserver.
  void OnSubscribed(std::string_view type_url, const std::string& name) override {
    server_.subscribers_.Add(type_url, name, number_, this);
  }
  void OnUnsubscribed(std::string_view type_url, const std::string& name) override {
    server_.subscribers_.Remove(type_url, name, number_);
  }
  void OnWildcard(std::string_view type_url, bool subscribed) override {
    if (subscribed) return server_.subscribers_.AddWildcard(type_url, number_, this);
    server_.subscribers_.RemoveWildcard(type_url, number_);
  }

  // What the change concerns is looked at when the stream's turn comes.
  void MarkForView() { needs_view_ = true; }
  bool needs_view() const { return needs_view_; }
  void TakeTurn();
  Session& session() { return *session_; }
  const Session& session() const { return *session_; }
  const std::string& node_id() const { return node_id_; }

 private:
  void Introduce();
  void Refresh();
  void TellRejections();
  void Pump();
  void Finish(const grpc::Status& status) {
    std::exchange(call_, nullptr)->Finish(status);
    Leave();
  }
  void Leave();

  AdsServer& server_;
  const uint64_t number_;
  grpc::ServerCall* call_;  // null: the stream has ended
  std::unique_ptr<Session> session_;
  std::unique_ptr<loop::Timer> timer_;
  std::string node_id_;  // empty: it has not introduced itself
  bool needs_view_ = false;
  uint64_t rejections_told_ = 0;  // the session's count of changes
};

void AdsServer::Stream::OnMessage(std::string message) {
  if (call_ == nullptr) return;
  if (const absl::Status status = session_->OnRequest(message); !status.ok())
    return Finish(ToGrpc(status));
  call_->Read();
  if (node_id_.empty()) return Introduce();
  TellRejections();
  Pump();
}

// Called only for answers of the client: a version that is sent again may be rejected again.
void AdsServer::Stream::TellRejections() {
  const uint64_t changes = session_->rejection_changes();
  if (std::exchange(rejections_told_, changes) != changes) server_.source_.OnRejections(node_id_);
}

void AdsServer::Stream::Introduce() {
  node_id_ = session_->node()->id();
  server_.nodes_[node_id_].push_back(this);
  Refresh();
  Pump();
}

void AdsServer::Stream::TakeTurn() {
  ++server_.touched_;
  if (std::exchange(needs_view_, false)) Refresh();
  Pump();
}

void AdsServer::Stream::Refresh() {
  if (call_ == nullptr) return;
  auto view = server_.source_.ViewFor(*session_->node(), call_->transport());
  if (!view.ok()) return Finish(ToGrpc(view.status()));
  session_->SetView(*std::move(view));
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

void AdsServer::Stream::Leave() {
  if (!ListNode<Stream>::linked()) return;
  ListNode<Stream>::Unlink();
  --server_.stream_count_;
  if (Turn::linked()) Turn::Unlink();
  timer_->Stop();
  const auto node = server_.nodes_.find(node_id_);
  if (node == server_.nodes_.end()) return;
  std::erase(node->second, this);
  // Another stream speaks for the node now.
  if (!node->second.empty()) return server_.source_.OnRejections(node_id_);
  server_.nodes_.erase(node);
  server_.source_.OnDisconnected(node_id_);
}

AdsServer::AdsServer(loop::Loop& loop, Source& source)
    : loop_(loop), source_(source), self_(std::make_shared<AdsServer*>(this)) {}

AdsServer::~AdsServer() {
  assert(streams_.empty());
  *self_ = nullptr;
}

void AdsServer::Register(grpc::ServiceRegistry& registry) {
  registry.AddStreaming(kDeltaPath, [this](grpc::ServerCall& call) {
    return std::make_unique<Stream>(*this, call, &NewDeltaSession);
  });
  registry.AddStreaming(kStatePath, [this](grpc::ServerCall& call) {
    return std::make_unique<Stream>(*this, call, &NewStateSession);
  });
}

// A stream that has ended is destroyed at the end of the turn, and subscribed until then.
void AdsServer::Enlist(Stream& stream) {
  if (!static_cast<ListNode<Stream>&>(stream).linked()) return;
  if (static_cast<Stream::Turn&>(stream).linked()) return;
  waiting_.PushBack(stream);
}

void AdsServer::Publish(const ChangedNames& changes, const std::set<std::string>& node_ids) {
  for (const std::string& id : node_ids) {
    const auto node = nodes_.find(id);
    if (node == nodes_.end()) continue;
    for (Stream* stream : node->second) {
      stream->MarkForView();
      Enlist(*stream);
    }
  }
  for (const auto& [type, names] : changes) {
    for (const std::string& name : names) {
      subscribers_.ForEach(type, name, [&, &type = type](Stream& stream) {
        if (stream.session().OnChanged(type, name)) Enlist(stream);
      });
    }
  }
  if (!is_posted_) Serve();
}

void AdsServer::Resend(std::string_view type_url, const std::string& name) {
  subscribers_.ForEach(type_url, name, [&](Stream& stream) {
    if (stream.session().Resend(type_url, name)) Enlist(stream);
  });
  if (!is_posted_) Serve();
}

void AdsServer::Serve() {
  for (int i = 0; i < kStreamsPerTurn && !waiting_.empty(); ++i) {
    Stream& stream = waiting_.PopFront();
    stream.TakeTurn();
  }
  is_posted_ = !waiting_.empty();
  if (!is_posted_) return;
  loop_.Post([self = self_] {
    if (*self != nullptr) (*self)->Serve();
  });
}

void AdsServer::ForEach(
    const std::function<void(const std::string& node_id, const Session&)>& visit) {
  streams_.ForEach([&visit](Stream& stream) {
    if (!stream.node_id().empty()) visit(stream.node_id(), stream.session());
  });
}

const Session* AdsServer::SessionOf(const std::string& node_id) const {
  const auto node = nodes_.find(node_id);
  return node == nodes_.end() ? nullptr : &node->second.back()->session();
}

bool AdsServer::IsSynced(const std::string& node_id) const {
  const auto node = nodes_.find(node_id);
  if (node == nodes_.end()) return false;
  const Stream& stream = *node->second.back();
  return !stream.needs_view() && stream.session().IsSynced();
}

}  // namespace tulle::xds
