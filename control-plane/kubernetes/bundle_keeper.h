// Keeps the mesh's roots in one configuration of webhooks, so that the API server trusts them:
// clientConfig.caBundle of each webhook that calls the control plane's Service. Watches the object:
// a bundle that is overwritten is corrected. Only the leader writes.
//
// Owner: KubernetesLink. Thread: the loop's. Order: SetRoots(), Start(). Errors are logged and
// tried again.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "control-plane/kubernetes/problem_log.h"
#include "k8s/api/client.h"
#include "k8s/api/reflector.h"
#include "net/loop/loop.h"
#include "telemetry/log.h"

namespace tulle::kubernetes {

struct WebhookConfiguration {
  const char* plural;   // of its kind
  const char* kind;     // in admissionregistration.k8s.io/v1
  const char* name;     // of the object
  const char* without;  // what happens if it does not exist
};
inline constexpr WebhookConfiguration kInjection = {"mutatingwebhookconfigurations",
                                                    "MutatingWebhookConfiguration", "tulle-inject",
                                                    "pods are not injected when they are created"};
inline constexpr WebhookConfiguration kValidation = {
    "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", "tulle-validate",
    "invalid policies are stored, and only their status says so"};

// A JSON Patch (RFC 6902) that puts the bundle (PEM) into this version of the configuration; empty
// array: it is in place.
k8s::Json BundlePatch(const k8s::Json& configuration, const std::string& bundle);

class BundleKeeper final : private k8s::ReflectorEvents {
 public:
  // References outlive this.
  BundleKeeper(loop::Loop& loop, k8s::Client& client, telemetry::Log& log,
               const WebhookConfiguration& kept, std::function<bool()> is_leader);

  void Start() { reflector_.Start(); }
  void SetRoots(const std::string& pem);
  // Writes it if that is due and this replica is the leader now.
  void Write();
  // Once, the bundle was in place, or there was no configuration.
  bool was_settled() const { return was_settled_; }

 private:
  std::string FullName() const;
  void OnUpsert(const k8s::ObjectKey& key, const k8s::Json& object) override;
  void OnDelete(const k8s::ObjectKey& key) override;
  void OnSynced() override;
  void OnProblem(const std::string& text) override { problems_.Report("Kubernetes: " + text); }

  loop::Loop& loop_;
  k8s::Client& client_;
  telemetry::Log& log_;
  ProblemLog problems_;
  const WebhookConfiguration kept_;
  const std::function<bool()> is_leader_;
  k8s::Reflector reflector_;
  std::string roots_;
  std::optional<k8s::Json> configuration_;  // as last seen; nullopt: there is none
  std::unique_ptr<k8s::Call> call_;
  std::unique_ptr<loop::Timer> pause_;  // after each attempt
  bool was_settled_ = false;
};

}  // namespace tulle::kubernetes
