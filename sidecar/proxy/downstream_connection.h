#pragma once

#include <memory>
#include <optional>
#include <string>

#include "net/base/intrusive_list.h"
#include "net/base/pin.h"
#include "net/http/connection.h"
#include "sidecar/proxy/caller.h"
#include "sidecar/proxy/exchange.h"
#include "sidecar/proxy/http_chain.h"
#include "sidecar/proxy/services.h"

namespace tulle::tls {
class PeerRevalidation;
}

namespace tulle::proxy {

class DownstreamConnection;

class DownstreamConnectionOwner {
 public:
  virtual ~DownstreamConnectionOwner() = default;
  // The connection has ended: unlink it and hand it to DeferDelete.
  virtual void OnDownstreamDone(DownstreamConnection& connection) = 0;
};

// One HTTP connection of a downstream peer: waits for the transport (TLS), finds out the protocol
// version, then owns codec and exchanges. Owner: ActiveListener. Thread: the worker's.
class DownstreamConnection final : public http::ServerConnectionEvents,
                                   public TransportEvents,
                                   public Deletable,
                                   public ListNode<DownstreamConnection> {
 public:
  DownstreamConnection(DownstreamConnectionOwner& owner, Services& services,
                       std::shared_ptr<HttpChain> chain, std::unique_ptr<Transport> transport);
  ~DownstreamConnection() override;

  // `early`: plaintext bytes that were read before; taken.
  void Start(Buffer& early);
  // The peer is told to go elsewhere; nothing is refused yet.
  void AnnounceEnd();
  // No new requests; ends when the last one has.
  void Drain();
  // The same, and whatever is left then ends after that time: nobody's rules are over it any more.
  void Retire(loop::Duration within);
  bool busy() const { return !exchanges_.empty(); }
  uint32_t requests() const { return requests_; }
  // Roots or names have changed: a peer who no longer passes `by` is served no further request.
  // What he has sent is answered; an idle connection closes, an upgraded one is reset.
  void RevalidatePeer(tls::PeerRevalidation& revalidation,
                      std::shared_ptr<const tls::SecureAcceptor> by);
  // The rules have changed: an upgraded stream that they forbid is reset.
  void JudgeUpgraded(const config::HttpSpec& spec);
  // The exchange that holds most, if it holds more than `least`; else null.
  Exchange* Largest(size_t& least);
  // Ends everything at once; OnDownstreamDone does not follow.
  void Close();

  // ServerConnectionEvents
  http::StreamEvents* OnStream(http::Stream& stream) override;
  void OnConnectionClosed(Failure why) override;

  void OnExchangeDone(Exchange& exchange);

  Services& services() { return services_; }
  const HttpChain& chain() const { return *chain_; }
  const PeerIdentity* peer() const;
  const Caller& caller() const { return *caller_; }
  const SocketAddress& peer_address() const { return peer_address_; }
  const SocketAddress& local_address() const { return local_address_; }
  bool is_tls() const { return is_tls_; }
  std::string_view sni() const { return sni_; }
  // The element of x-forwarded-client-cert that describes the peer; made once a connection.
  const std::string& client_certificate_element();

 private:
  // TransportEvents, until the codec takes over.
  void OnTransportReady() override;
  void OnTransportReadable() override;
  void OnTransportWritable() override {}
  void OnTransportFailed(Failure failure) override;

  void ChooseCodec();
  void Speak(upstream::HttpVersion version);
  void WatchIdle();
  void Done();
  static void OnHandshakeTimeout(void* self);
  static void OnTimeToGo(void* self);
  static void OnRetired(void* self);
  void ClearDeadlines();
  Transport& transport() const { return codec_ != nullptr ? codec_->transport() : *transport_; }

  DownstreamConnectionOwner& owner_;
  Services& services_;
  std::shared_ptr<HttpChain> chain_;
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<http::ServerConnection> codec_;
  Buffer early_;
  loop::Deadline handshake_deadline_;
  loop::Deadline idle_deadline_;  // HTTP/2; HTTP/1.1's codec keeps its own
  loop::Deadline age_deadline_;
  loop::Deadline retire_deadline_;
  uint32_t requests_ = 0;
  IntrusiveList<Exchange> exchanges_;
  SocketAddress peer_address_;
  SocketAddress local_address_;
  std::optional<Caller> caller_;
  std::shared_ptr<const tls::SecureAcceptor> verified_by_;  // from the end of the handshake on
  bool is_tls_ = false;
  bool end_announced_ = false;
  bool draining_ = false;
  bool is_http2_ = false;
  bool watches_idle_ = false;
  std::string sni_;
  std::string client_certificate_element_;
};

}  // namespace tulle::proxy
