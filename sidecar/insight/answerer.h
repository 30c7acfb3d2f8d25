#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "tulle/insight/v1/insight.pb.h"

namespace tulle::sidecar {

// SPIFFE ID of the own workload; empty: none yet.
using OwnIdentity = std::function<std::string()>;

// The way of answers to who asked. Owner: InsightStream. Thread: main.
class Replies {
 public:
  // What finds no room for long is dropped: who asks does not wait for long.
  virtual void Send(insight::v1::Answer answer) = 0;
  // An answer would leave at once.
  virtual bool HasRoom() const = 0;

 protected:
  ~Replies() = default;
};

// Answers one kind of question. Questions come from the control plane, and are checked here. Owner:
// Questions. Thread: main.
class Answerer {
 public:
  virtual ~Answerer() = default;
  // Sends its answers now or later; the last one has is_last. `replies` is valid until OnStreamEnd.
  virtual void OnQuestion(const insight::v1::Question& question, Replies& replies) = 0;
  // No more answers to this question are wanted. Of one that it does not have, nothing follows.
  virtual void OnEnd(uint32_t question) { static_cast<void>(question); }
  virtual void OnStreamEnd() {}
};

// The only answer to a question, to be filled in.
insight::v1::Answer OnlyAnswer(const insight::v1::Question& question);
// `error`: what is wrong, and what would be right.
insight::v1::Answer ErrorAnswer(const insight::v1::Question& question, std::string_view error);

}  // namespace tulle::sidecar
