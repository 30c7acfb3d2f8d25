#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "sidecar/insight/answerer.h"
#include "tulle/insight/v1/insight.pb.h"

namespace tulle::sidecar {

// What the control plane may ask this sidecar, by kind. A kind without an answerer is answered with
// an error. Owner: MeshConfiguration. Thread: main.
class Questions {
 public:
  using Kind = insight::v1::Question::KindCase;

  // Once for each kind.
  void Add(Kind kind, std::unique_ptr<Answerer> answerer);

  void OnQuestion(const insight::v1::Question& question, Replies& replies);
  void OnEnd(uint32_t question);
  void OnStreamEnd();

 private:
  std::map<Kind, std::unique_ptr<Answerer>> answerers_;
};

}  // namespace tulle::sidecar
