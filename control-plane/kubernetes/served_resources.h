// Asks the API server which resources of a group's version it has, and again every ten seconds:
// custom resources come and go while we run. When one has gone: absence.h.
// Owner: GatewayApi, PolicyApi. Thread: the loop's. Errors are logged and tried again.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "control-plane/kubernetes/absence.h"
#include "control-plane/kubernetes/problem_log.h"
#include "k8s/api/client.h"
#include "net/loop/loop.h"
#include "telemetry/log.h"

namespace tulle::kubernetes {

class ServedResources final : private k8s::Client::Waiter {
 public:
  // The plural names: "httproutes". Empty: the server does not have the version.
  using OnAnswer = std::function<void(const std::set<std::string>& names)>;

  // `path`: "/apis/gateway.networking.k8s.io/v1". References outlive this.
  ServedResources(loop::Loop& loop, k8s::Client& client, telemetry::Log& log, std::string path,
                  OnAnswer on_answer);

  void Start() { Ask(); }

 private:
  void OnClientReady() override { Ask(); }
  void Ask();
  void Read(const k8s::Answer& answer);
  void ForgetAbsent(const std::set<std::string>& seen);

  loop::Loop& loop_;
  k8s::Client& client_;
  ProblemLog problems_;
  const std::string path_;
  const OnAnswer on_answer_;
  std::set<std::string> names_;
  std::map<std::string, Absence> absences_;  // of names
  std::unique_ptr<k8s::Call> call_;
  std::unique_ptr<loop::Timer> again_;
};

}  // namespace tulle::kubernetes
