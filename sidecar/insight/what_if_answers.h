#pragma once

#include <cstddef>
#include <memory>

#include "sidecar/dataplane/sidecar.h"
#include "sidecar/insight/answerer.h"

namespace tulle::sidecar {

// Answers Question.what_if: what a worker would do with a request. Owner: Questions. Thread: main.
class WhatIfAnswers final : public Answerer {
 public:
  // Questions that wait for the worker.
  static constexpr size_t kMostWaiting = 8;

  // `sidecar` outlives this.
  explicit WhatIfAnswers(Sidecar& sidecar) : sidecar_(sidecar) {}

  void OnQuestion(const insight::v1::Question& question, Replies& replies) override;
  void OnStreamEnd() override { waiting_ = std::make_shared<size_t>(0); }

 private:
  Sidecar& sidecar_;
  // Of the present stream: an answer to a former one has nobody to go to.
  std::shared_ptr<size_t> waiting_ = std::make_shared<size_t>(0);
};

}  // namespace tulle::sidecar
