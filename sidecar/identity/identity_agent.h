#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "certs/private_key.h"
#include "certs/workload_labels.h"
#include "net/grpc/channel.h"
#include "net/loop/loop.h"
#include "net/tls/secure_transports.h"
#include "sidecar/identity/control_dialer.h"
#include "sidecar/identity/identity.h"
#include "sidecar/identity/renewal_timer.h"
#include "sidecar/identity/repeated_error.h"

namespace tulle::identity {

struct AgentOptions {
  std::vector<SocketAddress> control;  // tulle-control's gRPC port
  std::string token_file;              // read anew for each use; empty: none
  std::string state_directory;
  // In Kubernetes: the roots of the mesh, read anew for each use. The token is a service account's
  // then.
  std::string roots_file = {};
  // Requested in the certificate; what another one has is replaced at the start.
  certs::WorkloadLabels labels = {};
};

// Obtains this sidecar's identity and keeps it fresh: from the state directory, otherwise with the
// join token; renewed with the valid SVID at half of its life. The key is made here and never
// leaves.
//
// First contact, with nothing but a token: the roots are requested on a connection that cannot be
// verified, without sending any secret. They are trusted only if one of them has the key whose hash
// the token carries. Everything after that is verified.
//
// With a roots file there is nothing to find out: every connection is verified, and the token in
// the token file, which is a service account's, proves who this is. It is used for renewals too, so
// that a certificate does not outlive the pod's right to it by more than its own life.
//
// Owner: Membership. Thread: main. Errors are reported and retried with a back-off; an identity
// that is still valid is kept meanwhile.
class IdentityAgent final : private grpc::ChannelEvents {
 public:
  class Events {
   public:
    virtual ~Events() = default;
    // At the start if one is on disk, and after every renewal.
    virtual void OnIdentity(const std::shared_ptr<const Identity>& identity) = 0;
    // What failed and what to do about it. Another attempt follows; the same error is reported once
    // a minute.
    virtual void OnIdentityError(const std::string& error) = 0;
  };

  IdentityAgent(loop::Loop& loop, const tls::SecureTransports& transports, certs::KeySource& keys,
                AgentOptions options, Events& events);
  ~IdentityAgent() override;

  void Start();
  // Addresses of the control plane, used from the next connection on.
  void SetControl(std::vector<SocketAddress> control) { dialer_.SetAddresses(std::move(control)); }
  // Renews now: on demand, or because the control plane has new roots.
  void Renew();
  // The control plane rejects the certificate, for example because it was revoked. With a token
  // file, this sidecar joins again as soon as the file has a valid token; in between it also tries
  // the certificate.
  void OnRejected();
  // The roots of the mesh changed (the ROOTCA secret): from now on these are trusted.
  void SetRoots(const std::string& roots_pem);
  const std::shared_ptr<const Identity>& identity() const { return identity_; }
  // A transport to the control plane that presents the identity and verifies the server; null: no
  // identity yet.
  std::unique_ptr<Transport> Connect();

 private:
  void OnChannelReady() override;
  void OnChannelLost(Failure why) override;

  bool ValidNow() const;
  absl::Status ReadJoinToken();
  absl::Status ReadAccountToken();
  void OpenChannel();
  void AskForRoots();
  void OnRoots(const grpc::Status& status, const std::string& response);
  void AskForCertificate();
  void OnCertificate(const grpc::Status& status, const std::string& response);
  void Fail(const std::string& error);
  void Adopt(std::shared_ptr<const Identity> identity);
  void CloseChannel();

  loop::Loop& loop_;
  certs::KeySource& keys_;
  const AgentOptions options_;
  const IdentityFile file_;
  Events& events_;
  ControlDialer dialer_;
  RenewalTimer renewal_;
  std::shared_ptr<const Identity> identity_;
  std::string roots_pem_;  // trusted before there is an identity
  std::string token_;      // while an attempt runs
  std::string key_pem_;    // of the request under way
  std::unique_ptr<grpc::Channel> channel_;
  std::unique_ptr<grpc::UnaryCall> call_;
  bool is_rejected_ = false;  // the next attempt uses the token
  uint32_t failures_ = 0;
  RepeatedError failing_;
};

}  // namespace tulle::identity
