#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "net/loop/deadlines.h"
#include "net/loop/loop.h"
#include "net/tls/secure_transports.h"
#include "sidecar/upstream/health_probe.h"

namespace tulle::sidecar {

// The probes of a pod's application. Kubelet asks the sidecar for them (k8s/inject/probes.h says
// why), and the sidecar carries them out against the application on loopback: only those that the
// pod declared, and each of them once at a time, however many ask.
//
// The declaration is JSON, as the injection writes it:
//
//   {"/app-health/web/livez": {"httpGet": {"path": "/", "port": 8080}, "timeoutSeconds": 1}, ...}
//
// with httpGet (path, port, scheme, httpHeaders), tcpSocket (port) or grpc (port, service) as in
// Kubernetes' Probe. Owner: ProcessPages. Thread: main.
class AppProbes final {
 public:
  using Done = absl::AnyInvocable<void(bool good)>;

  // Empty text: no probes. An error names the path and the member that is invalid. References
  // outlive this.
  static absl::StatusOr<std::unique_ptr<AppProbes>> Make(loop::Loop& loop,
                                                         const tls::SecureTransports& transports,
                                                         std::string_view json);
  explicit AppProbes(loop::Loop& loop);
  ~AppProbes();

  // False: it was not declared. Else `done` runs later, once: a failure, or no answer within
  // timeoutSeconds, is false.
  bool Ask(std::string_view path, Done done);

 private:
  class Asked;

  loop::Deadlines deadlines_;
  std::map<std::string, std::unique_ptr<Asked>, std::less<>> probes_;
};

// Whether Make would succeed.
absl::Status CheckAppProbes(std::string_view json);

}  // namespace tulle::sidecar
