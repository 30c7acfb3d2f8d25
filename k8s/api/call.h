// A request with a bounded answer, as a whole. Owner: the caller; destroying it cancels. `done`
// runs once, never from inside the call that made it, and may destroy the call by loop.DeferDelete.
// Thread: the loop's.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "k8s/api/exchange.h"

namespace tulle::k8s {

struct Answer {
  int status = 0;  // of HTTP; 0: there was no complete answer
  std::string body;
  std::string error;  // empty: status is 2xx; otherwise in words, the server's own where it has any
  std::string reason;         // of the server's Status object, such as "Conflict", "Expired"
  bool is_too_large = false;  // than what is kept
  loop::Duration retry_after{0};

  bool ok() const { return error.empty(); }
};

// Collects an answer. Pieces of a body beyond `largest` bytes are not kept.
class AnswerCollector {
 public:
  explicit AnswerCollector(size_t largest) : largest_(largest) {}
  void OnHead(int status, loop::Duration retry_after);
  void OnBody(std::string_view bytes);
  Answer Finish(const std::string& error);

 private:
  const size_t largest_;
  bool is_too_large_ = false;
  Answer answer_;
};

class Call final : public Deletable, private ExchangeEvents {
 public:
  using Done = absl::AnyInvocable<void(Answer)>;
  Call(size_t largest_body, Done done) : collector_(largest_body), done_(std::move(done)) {}
  // Call once. Null: there is no connection, which `done` is told at the next turn.
  void Start(loop::Loop& loop, std::unique_ptr<Exchange> exchange);
  ExchangeEvents& events() { return *this; }

 private:
  void OnHead(int status, loop::Duration retry_after) override {
    collector_.OnHead(status, retry_after);
  }
  void OnBody(std::string_view bytes) override { collector_.OnBody(bytes); }
  void OnEnd(const std::string& error) override { done_(collector_.Finish(error)); }

  AnswerCollector collector_;
  Done done_;
  std::unique_ptr<Exchange> exchange_;
  std::unique_ptr<loop::Timer> unsent_;
};

// "a b=c" -> "a%20b%3Dc": for a part of a path or a value in a query.
std::string Escape(std::string_view text);
// The resource must not exist. `path` is that of the collection.
Request Create(std::string path, std::string json);
// JSON Merge Patch; with metadata.resourceVersion in it, 409 if the object has changed.
Request MergePatch(std::string path, std::string json);
// Server-side apply: creates the object, or takes the fields that it names.
Request Apply(std::string path, std::string json, std::string_view field_manager);

}  // namespace tulle::k8s
