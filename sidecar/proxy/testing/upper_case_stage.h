// A stage that changes a body, can pause, and holds what it has not passed on.
#pragma once

#include <cctype>
#include <string>

#include "sidecar/proxy/body_flow.h"
#include "sidecar/proxy/body_stage.h"
#include "sidecar/proxy/call.h"

namespace tulle::proxy::testing {

class UpperCaseStage final : public BodyStage {
 public:
  // `pause_after`: it pauses once, when it has passed on that many bytes.
  explicit UpperCaseStage(size_t pause_after = SIZE_MAX) : pause_after_(pause_after) {}

  Next OnBody(Buffer& in, bool, Buffer& out) override {
    ++calls;
    std::string text = in.ToString();
    const bool pauses = passed_ < pause_after_ && passed_ + text.size() >= pause_after_;
    if (pauses) text.resize(pause_after_ - passed_);
    for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    in.Drain(text.size());
    passed_ += text.size();
    out.Append(text);
    return pauses ? Next::kPause : Next::kMore;
  }
  void OnTrailers(http::HeaderMap&) override { had_trailers = true; }

  int calls = 0;
  bool had_trailers = false;

 private:
  const size_t pause_after_;
  size_t passed_ = 0;
};

// Both bodies of every request in upper case.
class UpperCaseStages final : public BodyStages {
 public:
  void OnRequest(Call&, BodyFlow& flow) override {
    flow.AddStage(std::make_unique<UpperCaseStage>());
  }
  void OnResponse(Call&, BodyFlow& flow) override {
    response = &flow;
    flow.AddStage(std::make_unique<UpperCaseStage>(pause_after));
  }
  size_t pause_after = SIZE_MAX;
  BodyFlow* response = nullptr;
};

}  // namespace tulle::proxy::testing
