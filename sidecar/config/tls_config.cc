// Converts secrets and TLS contexts.
#include "sidecar/config/tls_config.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "certs/certificate.h"
#include "certs/private_key.h"
#include "certs/spiffe_names.h"
#include "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.pb.h"

namespace tulle::config {
namespace {

namespace tls_v3 = envoy::extensions::transport_sockets::tls::v3;
namespace core = envoy::config::core::v3;

absl::StatusOr<certs::SanType> ToSanType(tls_v3::SubjectAltNameMatcher::SanType type,
                                         const FieldPath& at) {
  switch (type) {
    case tls_v3::SubjectAltNameMatcher::URI:
      return certs::SanType::kUri;
    case tls_v3::SubjectAltNameMatcher::DNS:
      return certs::SanType::kDns;
    case tls_v3::SubjectAltNameMatcher::IP_ADDRESS:
      return certs::SanType::kIp;
    default:
      return at.Error("only URI, DNS and IP_ADDRESS are implemented");
  }
}

certs::SanMatch ToSanMatch(match::StringKind kind) {
  switch (kind) {
    case match::StringKind::kPrefix:
      return certs::SanMatch::kPrefix;
    case match::StringKind::kSuffix:
      return certs::SanMatch::kSuffix;
    case match::StringKind::kContains:
      return certs::SanMatch::kContains;
    case match::StringKind::kRegex:
      return certs::SanMatch::kRegex;
    case match::StringKind::kExact:
      break;
  }
  return certs::SanMatch::kExact;
}

absl::Status ReadName(certs::SanType type, const envoy::type::matcher::v3::StringMatcher& matcher,
                      const FieldPath& at, ValidationSpec& spec) {
  auto string = ToString(matcher, at);
  if (!string.ok()) return string.status();
  auto made =
      certs::SanMatcher::Make(type, ToSanMatch(string->kind), string->text, string->ignore_case);
  if (!made.ok()) return at.Error(made.status());
  spec.names.push_back(*std::move(made));
  return absl::OkStatus();
}

absl::Status ReadNames(const tls_v3::CertificateValidationContext& context, const FieldPath& at,
                       ValidationSpec& spec) {
  for (int i = 0; i < context.match_typed_subject_alt_names_size(); ++i) {
    const auto& typed = context.match_typed_subject_alt_names(i);
    const FieldPath here = (at / "match_typed_subject_alt_names")[static_cast<size_t>(i)];
    const auto type = ToSanType(typed.san_type(), here / "san_type");
    if (!type.ok()) return type.status();
    const auto status = ReadName(*type, typed.matcher(), here / "matcher", spec);
    if (!status.ok()) return status;
  }
  // The older list has no types: it is compared with every type.
  for (int i = 0; i < context.match_subject_alt_names_size(); ++i) {
    const FieldPath here = (at / "match_subject_alt_names")[static_cast<size_t>(i)];
    for (const certs::SanType type :
         {certs::SanType::kUri, certs::SanType::kDns, certs::SanType::kIp}) {
      const auto status = ReadName(type, context.match_subject_alt_names(i), here, spec);
      if (!status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

absl::Status ReadRevocations(const tls_v3::CertificateValidationContext& context,
                             const FileReader& files, const FieldPath& at,
                             certs::TrustBundle& bundle) {
  if (!context.has_crl()) return absl::OkStatus();
  const auto lists = ReadSource(context.crl(), files, at / "crl");
  if (!lists.ok()) return lists.status();
  const absl::Status added = bundle.AddRevocations(*lists);
  return added.ok() ? added : (at / "crl").Error(added);
}

absl::StatusOr<ValidationSpec> ToValidation(const tls_v3::CertificateValidationContext& context,
                                            const FileReader& files, const FieldPath& at) {
  ValidationSpec spec;
  if (context.has_trusted_ca()) {
    auto roots = ReadSource(context.trusted_ca(), files, at / "trusted_ca");
    if (!roots.ok()) return roots.status();
    auto bundle = certs::TrustBundle::AnyDomainFromPem(*roots);
    if (!bundle.ok()) return (at / "trusted_ca").Error(bundle.status());
    if (auto status = ReadRevocations(context, files, at, *bundle); !status.ok()) return status;
    spec.trust = std::make_shared<const certs::TrustBundle>(*std::move(bundle));
  } else if (context.has_crl()) {
    return (at / "crl").Error("has no effect without trusted_ca: set both in the same context");
  }
  if (auto status = ReadNames(context, at, spec); !status.ok()) return status;
  return spec;
}

absl::StatusOr<IdentitySpec> ToIdentity(const tls_v3::TlsCertificate& certificate,
                                        const FileReader& files, const FieldPath& at) {
  const auto chain = ReadSource(certificate.certificate_chain(), files, at / "certificate_chain");
  if (!chain.ok()) return chain.status();
  const auto key = ReadSource(certificate.private_key(), files, at / "private_key");
  if (!key.ok()) return key.status();
  auto parsed = certs::ParsePemCertificates(*chain);
  if (!parsed.ok()) return (at / "certificate_chain").Error(parsed.status());
  auto parsed_key = certs::PrivateKey::FromPem(*key);
  if (!parsed_key.ok()) return (at / "private_key").Error(parsed_key.status());
  if (!certs::Matches(parsed->front(), parsed_key->native())) {
    return (at / "private_key").Error("does not match the first certificate of certificate_chain");
  }
  return std::make_shared<const tls::TlsIdentity>(
      tls::TlsIdentity{*std::move(parsed), *std::move(parsed_key)});
}

absl::StatusOr<tls::TlsVersion> ToVersion(tls_v3::TlsParameters::TlsProtocol protocol,
                                          tls::TlsVersion absent, const FieldPath& at) {
  switch (protocol) {
    case tls_v3::TlsParameters::TLS_AUTO:
      return absent;
    case tls_v3::TlsParameters::TLSv1_2:
      return tls::TlsVersion::k12;
    case tls_v3::TlsParameters::TLSv1_3:
      return tls::TlsVersion::k13;
    default:
      return at.Error("TLS 1.0 and 1.1 are not supported: use TLSv1_2 or TLSv1_3");
  }
}

// A secret referenced by a resource.
absl::StatusOr<std::shared_ptr<const SecretSpec>> Find(const tls_v3::SdsSecretConfig& config,
                                                       TlsConversion& conversion,
                                                       const FieldPath& at) {
  if (config.name().empty()) return (at / "name").Error("is required");
  conversion.secrets.insert(config.name());
  auto found = conversion.find_secret(config.name());
  if (found == nullptr) {
    if (!config.has_sds_config()) {
      return (at / "name")
          .Error(absl::StrCat("unknown static secret '", config.name(),
                              "': add it to static_resources.secrets, or say "
                              "sds_config"));
    }
    conversion.missing.insert(config.name());
  }
  return found;
}

absl::Status WrongKind(const tls_v3::SdsSecretConfig& config, std::string_view wanted,
                       const FieldPath& at) {
  return at.Error(absl::StrCat("the secret '", config.name(), "' holds no ", std::string(wanted)));
}

absl::Status ReadIdentity(const tls_v3::CommonTlsContext& context, TlsConversion& conversion,
                          const FieldPath& at, IdentitySpec& identity) {
  const int count =
      context.tls_certificates_size() + context.tls_certificate_sds_secret_configs_size();
  if (count > 1) return at.Error("only one certificate is implemented");
  if (context.tls_certificates_size() == 1) {
    auto made =
        ToIdentity(context.tls_certificates(0), *conversion.files, at / "tls_certificates[0]");
    if (!made.ok()) return made.status();
    identity = *std::move(made);
  } else if (count == 1) {
    const FieldPath here = at / "tls_certificate_sds_secret_configs[0]";
    const auto& config = context.tls_certificate_sds_secret_configs(0);
    auto secret = Find(config, conversion, here);
    if (!secret.ok()) return secret.status();
    if (*secret == nullptr) return absl::OkStatus();
    const auto* found = std::get_if<IdentitySpec>(&(*secret)->value);
    if (found == nullptr) return WrongKind(config, "tls_certificate", here);
    identity = *found;
  }
  return absl::OkStatus();
}

// Roots from a secret, names from the secret and from the context beside it.
absl::Status ReadValidationSecret(const tls_v3::SdsSecretConfig& config,
                                  const ValidationSpec& beside, TlsConversion& conversion,
                                  const FieldPath& at, ValidationSpec& spec) {
  auto secret = Find(config, conversion, at);
  if (!secret.ok()) return secret.status();
  if (*secret == nullptr) return absl::OkStatus();
  const auto* found = std::get_if<ValidationSpec>(&(*secret)->value);
  if (found == nullptr) return WrongKind(config, "validation_context", at);
  spec = *found;
  if (spec.trust == nullptr) spec.trust = beside.trust;
  spec.names.insert(spec.names.end(), beside.names.begin(), beside.names.end());
  if (spec.trust == nullptr) {
    return at.Error(absl::StrCat("the secret '", config.name(), "' has no trusted_ca"));
  }
  return absl::OkStatus();
}

absl::Status ReadValidation(const tls_v3::CommonTlsContext& context, TlsConversion& conversion,
                            const FieldPath& at, ValidationSpec& spec) {
  switch (context.validation_context_type_case()) {
    case tls_v3::CommonTlsContext::kValidationContext: {
      auto found =
          ToValidation(context.validation_context(), *conversion.files, at / "validation_context");
      if (!found.ok()) return found.status();
      spec = *std::move(found);
      if (spec.trust == nullptr && !spec.names.empty()) {
        return (at / "validation_context")
            .Error("SAN matchers without trusted_ca have no effect: add it");
      }
      return absl::OkStatus();
    }
    case tls_v3::CommonTlsContext::kValidationContextSdsSecretConfig:
      return ReadValidationSecret(context.validation_context_sds_secret_config(), {}, conversion,
                                  at / "validation_context_sds_secret_config", spec);
    case tls_v3::CommonTlsContext::kCombinedValidationContext: {
      const auto& combined = context.combined_validation_context();
      const FieldPath here = at / "combined_validation_context";
      auto beside = ToValidation(combined.default_validation_context(), *conversion.files,
                                 here / "default_validation_context");
      if (!beside.ok()) return beside.status();
      return ReadValidationSecret(combined.validation_context_sds_secret_config(), *beside,
                                  conversion, here / "validation_context_sds_secret_config", spec);
    }
    default:
      return absl::OkStatus();
  }
}

// Whether a peer without a SPIFFE ID could be accepted at all.
bool OnlySpiffe(const std::vector<certs::SanMatcher>& names) {
  return !names.empty() && std::all_of(names.begin(), names.end(), [](const auto& name) {
    return name.type() == certs::SanType::kUri && name.pattern().starts_with(certs::kSpiffeScheme);
  });
}

// Both sides' specs have these fields.
template <typename Spec>
absl::Status ReadTls(const tls_v3::CommonTlsContext& context, TlsConversion& conversion,
                     const FieldPath& at, Spec& spec) {
  const auto& parameters = context.tls_params();
  const FieldPath here = at / "tls_params";
  const auto minimum = ToVersion(parameters.tls_minimum_protocol_version(), tls::TlsVersion::k12,
                                 here / "tls_minimum_protocol_version");
  if (!minimum.ok()) return minimum.status();
  const auto maximum = ToVersion(parameters.tls_maximum_protocol_version(), tls::TlsVersion::k13,
                                 here / "tls_maximum_protocol_version");
  if (!maximum.ok()) return maximum.status();
  if (*maximum < *minimum)
    return here.Error("the maximum version must not be lower than the minimum");
  spec.min_version = *minimum;
  spec.max_version = *maximum;
  for (const std::string& protocol : context.alpn_protocols()) {
    if (protocol.empty() || protocol.size() > 255) {
      return (at / "alpn_protocols").Error("a protocol must have 1 to 255 bytes");
    }
    spec.alpn.push_back(protocol);
  }
  ValidationSpec validation;
  auto status = ReadIdentity(context, conversion, at, spec.identity);
  status.Update(ReadValidation(context, conversion, at, validation));
  spec.trust = validation.trust;
  spec.require_spiffe = OnlySpiffe(validation.names);
  spec.san_matchers = std::move(validation.names);
  return status;
}

template <typename Payload>
absl::Status Unpack(const core::TransportSocket& socket, const FieldPath& at, Payload* payload) {
  if (socket.typed_config().Is<Payload>() && socket.typed_config().UnpackTo(payload)) {
    return absl::OkStatus();
  }
  return (at / "typed_config")
      .Error(absl::StrCat("must be ", Payload::descriptor()->full_name(), " or RawBuffer, not '",
                          socket.typed_config().type_url(), "'"));
}

bool IsRaw(const core::TransportSocket& socket) {
  using envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer;
  return socket.typed_config().Is<RawBuffer>() ||
         (!socket.has_typed_config() && socket.name() == "envoy.transport_sockets.raw_buffer");
}

bool IsHttp2(const std::string& protocol) { return protocol == "h2" || protocol == "istio-h2"; }

bool OffersBoth(const std::vector<std::string>& alpn) {
  const auto count = static_cast<size_t>(std::count_if(alpn.begin(), alpn.end(), IsHttp2));
  return count > 0 && count < alpn.size();
}

}  // namespace

absl::StatusOr<SecretSpec> ToSecret(const tls_v3::Secret& secret, const FileReader& files,
                                    const FieldPath& at) {
  SecretSpec spec;
  spec.name = secret.name();
  if (spec.name.empty()) return (at / "name").Error("is required");
  if (secret.has_tls_certificate()) {
    auto identity = ToIdentity(secret.tls_certificate(), files, at / "tls_certificate");
    if (!identity.ok()) return identity.status();
    spec.hash = HashOf(certs::ToPem((*identity)->chain), HashOf((*identity)->key.PublicKeyHash()));
    spec.value = *std::move(identity);
  } else if (secret.has_validation_context()) {
    auto validation = ToValidation(secret.validation_context(), files, at / "validation_context");
    if (!validation.ok()) return validation.status();
    spec.hash = HashOf(DeterministicBytes(secret));
    if (validation->trust != nullptr) spec.hash = HashOf(validation->trust->ToPem(), spec.hash);
    spec.value = *std::move(validation);
  } else {
    return at.Error("needs tls_certificate or validation_context");
  }
  return spec;
}

absl::StatusOr<ServerSocket> ToServerSocket(const core::TransportSocket& socket,
                                            Milliseconds handshake_timeout,
                                            TlsConversion& conversion, const FieldPath& at) {
  if (IsRaw(socket)) return ServerSocket{};
  tls_v3::DownstreamTlsContext context;
  if (auto status = Unpack(socket, at, &context); !status.ok()) return status;
  const FieldPath here = at / "typed_config";
  tls::ServerTlsSpec spec;
  spec.require_client_certificate = context.require_client_certificate().value();
  spec.handshake_timeout = handshake_timeout;
  auto status =
      ReadTls(context.common_tls_context(), conversion, here / "common_tls_context", spec);
  if (!status.ok()) return status;
  if (!conversion.missing.empty()) return ServerSocket{};
  if (spec.identity == nullptr) {
    return (here / "common_tls_context")
        .Error("a server needs a certificate: add tls_certificates or an SDS secret");
  }
  if (spec.require_client_certificate && spec.trust == nullptr) {
    return here.Error("require_client_certificate needs a validation_context with trusted_ca");
  }
  const certs::Certificate& leaf = spec.identity->chain.front();
  ServerSocket made;
  if (!leaf.uri_sans().empty()) made.own_identity = leaf.uri_sans().front();
  made.own_not_after = leaf.not_after();
  auto tls = conversion.transports->NewAcceptor(std::move(spec));
  if (!tls.ok()) return here.Error(tls.status());
  made.tls = *std::move(tls);
  return made;
}

uint64_t ServerSocketKey(const core::TransportSocket& socket) {
  tls_v3::DownstreamTlsContext context;
  if (!socket.typed_config().UnpackTo(&context)) return HashOf(DeterministicBytes(socket));
  context.mutable_common_tls_context()->clear_tls_certificates();
  context.mutable_common_tls_context()->clear_validation_context_type();
  return HashOf(DeterministicBytes(context));
}

absl::StatusOr<ClientSocket> ToClientSocket(const core::TransportSocket& socket, bool as_downstream,
                                            TlsConversion& conversion, const FieldPath& at) {
  if (IsRaw(socket)) return ClientSocket{};
  tls_v3::UpstreamTlsContext context;
  if (auto status = Unpack(socket, at, &context); !status.ok()) return status;
  const FieldPath here = at / "typed_config";
  tls::ClientTlsSpec spec;
  spec.sni = context.sni();
  if (spec.sni.size() > 255) return (here / "sni").Error("must be at most 255 bytes");
  auto status =
      ReadTls(context.common_tls_context(), conversion, here / "common_tls_context", spec);
  if (!status.ok()) return status;
  ClientSocket made;
  made.key = HashOf(spec.sni, static_cast<uint64_t>(spec.min_version) << 16 |
                                  static_cast<uint64_t>(spec.max_version));
  for (const std::string& protocol : spec.alpn) made.key = HashOf(protocol, made.key);
  if (!conversion.missing.empty()) return made;
  // The default of Envoy's pools.
  if (as_downstream && spec.alpn.empty()) spec.alpn = {"h2", "http/1.1"};
  if (as_downstream && OffersBoth(spec.alpn)) {
    tls::ClientTlsSpec http2 = spec;
    std::erase_if(http2.alpn, [](const std::string& name) { return !IsHttp2(name); });
    std::erase_if(spec.alpn, IsHttp2);
    auto second = conversion.transports->NewConnector(std::move(http2));
    if (!second.ok()) return here.Error(second.status());
    made.tls_http2 = *std::move(second);
  }
  auto tls = conversion.transports->NewConnector(std::move(spec));
  if (!tls.ok()) return here.Error(tls.status());
  made.tls = *std::move(tls);
  return made;
}

}  // namespace tulle::config
