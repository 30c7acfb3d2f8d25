#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "sidecar/insight/answerer.h"

namespace tulle::sidecar {

// Answers Question.config: the configuration that is in force.
class ConfigAnswers final : public Answerer {
 public:
  static constexpr size_t kMostBytes = 512 * 1024;
  // A JSON document without private keys; unset: there is no such kind.
  using Page = std::function<std::optional<std::string>(std::string_view kind)>;

  explicit ConfigAnswers(Page page) : page_(std::move(page)) {}

  void OnQuestion(const insight::v1::Question& question, Replies& replies) override;

 private:
  const Page page_;
};

}  // namespace tulle::sidecar
