#include "net/grpc/service.h"

#include <utility>

namespace tulle::grpc {
namespace {

class UnaryHandler final : public CallHandler {
 public:
  UnaryHandler(ServerCall& call, const ServiceRegistry::Unary& answer)
      : call_(call), answer_(answer) {
    call_.Read();
  }
  ~UnaryHandler() override {
    if (reply_ != nullptr) reply_->handler_ = nullptr;
  }

  void OnMessage(std::string message) override {
    if (has_request_) return Answer({}, {Code::kInternal, "more than one request message"});
    has_request_ = true;
    request_ = std::move(message);
    call_.Read();
  }
  void OnHalfClose() override {
    if (!has_request_) return Answer({}, {Code::kInternal, "no request message"});
    auto reply = std::make_unique<Reply>(*this);
    reply_ = reply.get();
    answer_(call_, request_, std::move(reply));
  }
  void OnCancelled() override { gone_ = true; }

 private:
  class Reply final : public UnaryReply {
   public:
    explicit Reply(UnaryHandler& handler) : handler_(&handler) {}
    ~Reply() override { Fail({Code::kInternal, "the method returned no response"}); }
    void Send(std::string_view message) override { Answer(message, {}); }
    void Fail(const Status& status) override { Answer({}, status); }

    void Answer(std::string_view message, const Status& status) {
      UnaryHandler* handler = std::exchange(handler_, nullptr);
      if (handler == nullptr) return;
      handler->reply_ = nullptr;
      handler->Answer(message, status);
    }
    UnaryHandler* handler_;
  };

  void Answer(std::string_view message, const Status& status) {
    if (std::exchange(gone_, true)) return;
    if (status.ok()) call_.Send(message);
    call_.Finish(status);
  }

  ServerCall& call_;
  const ServiceRegistry::Unary& answer_;
  Reply* reply_ = nullptr;
  std::string request_;
  bool has_request_ = false;
  bool gone_ = false;
};

}  // namespace

void ServiceRegistry::AddStreaming(std::string_view path, Streaming make_handler,
                                   size_t largest_message) {
  methods_.insert_or_assign(std::string(path), Method{std::move(make_handler), largest_message});
}

void ServiceRegistry::AddUnary(std::string_view path, Unary answer, size_t largest_message) {
  // Shared with the handlers of running calls.
  auto shared = std::make_shared<const Unary>(std::move(answer));
  AddStreaming(
      path, [shared](ServerCall& call) { return std::make_unique<UnaryHandler>(call, *shared); },
      largest_message);
  methods_.find(path)->second.is_unary = true;
}

const ServiceRegistry::Method* ServiceRegistry::Find(std::string_view path) const {
  const auto found = methods_.find(path);
  return found == methods_.end() ? nullptr : &found->second;
}

}  // namespace tulle::grpc
