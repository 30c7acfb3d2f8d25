#include "control-plane/snapshot/tls.h"

#include "certs/spiffe_names.h"
#include "control-plane/snapshot/names.h"
#include "control-plane/snapshot/wire.h"
#include "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"

namespace tulle::snapshot {
namespace {

namespace tlsv3 = envoy::extensions::transport_sockets::tls::v3;

constexpr char kTlsSocket[] = "envoy.transport_sockets.tls";

void SetTls13(tlsv3::CommonTlsContext* common) {
  common->mutable_tls_params()->set_tls_minimum_protocol_version(tlsv3::TlsParameters::TLSv1_3);
  common->mutable_tls_params()->set_tls_maximum_protocol_version(tlsv3::TlsParameters::TLSv1_3);
}

// Certificate and roots by SDS; returns where the accepted names go.
tlsv3::CertificateValidationContext* SetSecrets(tlsv3::CommonTlsContext* common) {
  tlsv3::SdsSecretConfig* own = common->add_tls_certificate_sds_secret_configs();
  own->set_name(kOwnSecret);
  SetAds(own->mutable_sds_config());
  auto* combined = common->mutable_combined_validation_context();
  combined->mutable_validation_context_sds_secret_config()->set_name(kRootSecret);
  SetAds(combined->mutable_validation_context_sds_secret_config()->mutable_sds_config());
  return combined->mutable_default_validation_context();
}

envoy::type::matcher::v3::StringMatcher* AddUri(tlsv3::CertificateValidationContext* validation) {
  tlsv3::SubjectAltNameMatcher* name = validation->add_match_typed_subject_alt_names();
  name->set_san_type(tlsv3::SubjectAltNameMatcher::URI);
  return name->mutable_matcher();
}

}  // namespace

std::vector<std::string> OfferedProtocols(policy::Protocol protocol) {
  switch (protocol) {
    case policy::Protocol::kHttp:
      return {"istio-http/1.1", "http/1.1"};
    case policy::Protocol::kGrpc:
      return {"istio-h2", "h2"};
    case policy::Protocol::kTcp:
      return {"istio"};
    case policy::Protocol::kAuto:
      break;
  }
  return {};
}

void SetUpstreamTls(const std::string& sni, const std::set<std::string>& identities,
                    const std::string& trust_domain, policy::Protocol protocol,
                    envoy::config::core::v3::TransportSocket* socket) {
  tlsv3::UpstreamTlsContext tls;
  tls.set_sni(sni);
  SetTls13(tls.mutable_common_tls_context());
  for (const std::string& name : OfferedProtocols(protocol)) {
    tls.mutable_common_tls_context()->add_alpn_protocols(name);
  }
  tlsv3::CertificateValidationContext* validation = SetSecrets(tls.mutable_common_tls_context());
  for (const std::string& identity : identities) AddUri(validation)->set_exact(identity);
  // An empty list would accept whoever the root vouches for; no workload has the ID of the domain
  // itself.
  if (identities.empty()) AddUri(validation)->set_exact(certs::SpiffeUri(trust_domain));
  socket->set_name(kTlsSocket);
  Pack(tls, socket->mutable_typed_config());
}

void SetDownstreamTls(const std::string& trust_domain, const std::vector<std::string>& answered,
                      envoy::config::core::v3::TransportSocket* socket) {
  tlsv3::DownstreamTlsContext tls;
  tls.mutable_require_client_certificate()->set_value(true);
  tls.set_disable_stateless_session_resumption(true);
  tls.set_disable_stateful_session_resumption(true);
  SetTls13(tls.mutable_common_tls_context());
  for (const std::string& name : answered)
    tls.mutable_common_tls_context()->add_alpn_protocols(name);
  AddUri(SetSecrets(tls.mutable_common_tls_context()))
      ->set_prefix(certs::SpiffeUri(trust_domain, "/"));
  socket->set_name(kTlsSocket);
  Pack(tls, socket->mutable_typed_config());
}

void SetRaw(envoy::config::core::v3::TransportSocket* socket) {
  socket->set_name("envoy.transport_sockets.raw_buffer");
  Pack(envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer(),
       socket->mutable_typed_config());
}

}  // namespace tulle::snapshot
