// What the API asks sidecars: /v1/requests, /v1/failures, /v1/taps, and the live state of a proxy.
// For this package only.
// Owner: the Api; the parts outlive it. Thread: the Api's.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "control-plane/api/answers.h"
#include "control-plane/api/route.h"
#include "control-plane/insight/questions.h"

namespace tulle::api {

class RequestResource {
 public:
  explicit RequestResource(const LiveParts& live) : live_(live) {}

  Routes routes();

 private:
  ApiResponse Find(const Call& call);
  ApiResponse Explain(const Call& call);
  // What is found by `texts` (request_json.h); `finish` makes it the response.
  using Texts = std::map<std::string, std::string>;
  using Finish = std::function<ApiResponse(const Json& found)>;
  ApiResponse Ask(const Call& call, const Texts& texts, Finish finish);
  ApiResponse Failures(const Call& call);

  const LiveParts live_;
};

class TapResource {
 public:
  explicit TapResource(const LiveParts& live) : taps_(live.taps) {}

  Routes routes();

 private:
  ApiResponse Open(const Call& call);
  ApiResponse Read(const Call& call);
  ApiResponse Close(const Call& call);

  insight::Taps* taps_;
};

class LiveProxyResource {
 public:
  LiveProxyResource(const LiveParts& live, const ControlPlaneView* view)
      : questions_(live.questions), view_(view) {}

  Routes routes();

 private:
  ApiResponse Config(const Call& call);
  ApiResponse LogLevel(const Call& call);
  ApiResponse SetLogLevel(const Call& call);
  ApiResponse WhatIf(const Call& call);
  // What the proxy that the path names answers; `read` makes it the response.
  using Read = std::function<ApiResponse(const insight::Questions::Outcome&)>;
  ApiResponse Ask(const Call& call, insight::v1::Question question, Read read);

  insight::Questions* questions_;
  const ControlPlaneView* view_;
};

}  // namespace tulle::api
