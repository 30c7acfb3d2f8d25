#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "certs/private_key.h"
#include "net/grpc/channel.h"
#include "net/loop/loop.h"
#include "net/tls/secure_transports.h"
#include "sidecar/identity/identity.h"

namespace tulle::identity {

struct AgentOptions {
  std::vector<SocketAddress> control;  // tulle-control's gRPC port
  std::string token_file;              // read anew for each use; empty: none
  std::string state_directory;
};

// Gets this sidecar's identity and keeps it fresh: from the state directory, else by the join
// token; renewed by the valid SVID at half its life, give or take a tenth. The key is made here and
// never leaves.
//
// First contact, with nothing but a token: the roots are asked for on a connection that cannot be
// verified, without any secret; they are believed only if one of them has the key whose hash the
// token carries. Everything after that is verified.
//
// Owner: Sidecar. Thread: main. Errors are told and tried again with a back-off; an identity that
// is still valid is kept meanwhile.
class IdentityAgent final : private grpc::ChannelEvents {
 public:
  class Events {
   public:
    virtual ~Events() = default;
    // At the start if there is one on disk, and after every renewal.
    virtual void OnIdentity(const std::shared_ptr<const Identity>& identity) = 0;
    // What failed and what to do about it; another attempt follows.
    virtual void OnIdentityError(const std::string& error) = 0;
  };

  IdentityAgent(loop::Loop& loop, const tls::SecureTransports& transports, certs::KeySource& keys,
                AgentOptions options, Events& events);
  ~IdentityAgent() override;

  void Start();
  // Where to connect from the next time on.
  void SetControl(std::vector<SocketAddress> control) { options_.control = std::move(control); }
  // Renews now: on demand, or because the control plane has new roots.
  void Renew();
  // The roots of the mesh changed (the ROOTCA secret): from now on these are believed too.
  void SetRoots(const std::string& roots_pem);
  const std::shared_ptr<const Identity>& identity() const { return identity_; }
  // A transport to the control plane that presents the identity and accepts nobody else; null: no
  // identity yet.
  std::unique_ptr<Transport> Connect();

 private:
  void OnChannelReady() override;
  void OnChannelLost(Failure why) override;

  bool ValidNow() const;
  void OpenChannel();
  std::unique_ptr<Transport> Dial(tls::ClientTlsSpec spec);
  void AskForRoots();
  void OnRoots(const grpc::Status& status, const std::string& response);
  void AskForCertificate();
  void OnCertificate(const grpc::Status& status, const std::string& response);
  void Fail(const std::string& error);
  void Adopt(std::shared_ptr<const Identity> identity);
  // `begin`: of the life that is counted, in seconds since the epoch.
  void ScheduleRenewal(int64_t begin);
  void Look();
  void RenewIn(loop::Duration wait);
  void CloseChannel();
  int64_t WallSeconds() const;

  loop::Loop& loop_;
  const tls::SecureTransports& transports_;
  certs::KeySource& keys_;
  AgentOptions options_;
  const IdentityFile file_;
  Events& events_;
  std::shared_ptr<const Identity> identity_;
  std::string roots_pem_;  // believed, before there is an identity
  std::string token_;      // while an attempt runs
  std::string key_pem_;    // of the request under way
  std::unique_ptr<grpc::Channel> channel_;
  std::unique_ptr<grpc::UnaryCall> call_;
  std::unique_ptr<loop::Timer> timer_;
  // When to renew, whichever comes first: a wall clock may jump, and a monotonic one does not run
  // while the machine sleeps.
  int64_t renew_at_ = 0;  // seconds since the epoch
  loop::Instant renew_due_{};
  bool has_begun_ =
      true;  // as far as was seen: if the certificate has not now, the clock went back
  size_t next_address_ = 0;
  uint32_t failures_ = 0;
};

}  // namespace tulle::identity
