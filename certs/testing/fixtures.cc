// Builds good and bad certificates for tests.
#include "certs/testing/fixtures.h"

#include "certs/certificate_builder.h"
#include "certs/spiffe_id.h"

namespace tulle::certs::testing {
namespace {

constexpr std::int64_t kDay = 24 * 3600;

CertificateFields GoodFields(std::int64_t now, std::string_view trust_domain) {
  CertificateFields fields;
  fields.serial = "\x11test";
  fields.not_before = now - 60;
  fields.not_after = now + kDay;
  fields.names.uris = {"spiffe://" + std::string(trust_domain) + "/ns/default/sa/bad"};
  fields.names_critical = true;
  fields.basic_constraints = "critical,CA:FALSE";
  fields.key_usage = "critical,digitalSignature";
  fields.extended_key_usage = "serverAuth,clientAuth";
  return fields;
}

void Spoil(CertificateFields* fields, BadLeaf kind, const std::string& domain, std::int64_t now) {
  std::string& uri = fields->names.uris.front();
  switch (kind) {
    case BadLeaf::kExpired:
      fields->not_before = now - 2 * kDay;
      fields->not_after = now - 1;
      break;
    case BadLeaf::kNotYetValid:
      fields->not_before = now + 3600;
      break;
    case BadLeaf::kTwoUriSans:
      fields->names.uris.push_back("spiffe://" + domain + "/ns/default/sa/other");
      break;
    case BadLeaf::kNoUriSan:
      fields->names = {{}, {"bad.default"}, {}};
      break;
    case BadLeaf::kUpperCaseScheme:
      uri.replace(0, 6, "SPIFFE");
      break;
    case BadLeaf::kDotDotSegment:
      uri = "spiffe://" + domain + "/ns/default/../sa/bad";
      break;
    case BadLeaf::kPercentEncoding:
      uri = "spiffe://" + domain + "/ns/default/sa/b%61d";
      break;
    case BadLeaf::kQuery:
      uri += "?admin=1";
      break;
    case BadLeaf::kPort:
      uri = "spiffe://" + domain + ":443/ns/default/sa/bad";
      break;
    case BadLeaf::kUserInfo:
      uri = "spiffe://me@" + domain + "/ns/default/sa/bad";
      break;
    case BadLeaf::kFragment:
      uri += "#x";
      break;
    case BadLeaf::kEmptyPath:
      uri = "spiffe://" + domain;
      break;
    case BadLeaf::kOtherTrustDomain:
      uri = "spiffe://other.domain/ns/default/sa/bad";
      break;
    case BadLeaf::kPrefixDomain:
      uri = "spiffe://" + domain + ".evil/ns/default/sa/bad";
      break;
    case BadLeaf::kIsAuthority:
      fields->basic_constraints = "critical,CA:TRUE";
      fields->key_usage = "critical,digitalSignature,keyCertSign";
      break;
    case BadLeaf::kMayCertSign:
      fields->key_usage = "critical,digitalSignature,keyCertSign";
      break;
    case BadLeaf::kServerAuthOnly:
      fields->extended_key_usage = "serverAuth";
      break;
    case BadLeaf::kNoDigitalSignature:
      fields->key_usage = "critical,keyAgreement";
      break;
    case BadLeaf::kSelfSigned:
    case BadLeaf::kKeyMismatch:
      break;
  }
}

std::unique_ptr<KeySource> MakeKeys(TestKeys kind, std::uint64_t seed) {
  if (kind == TestKeys::kSeeded) return std::make_unique<SeededKeySource>(seed);
  return std::make_unique<SystemKeySource>();
}

}  // namespace

std::vector<std::string_view> TestIdentity::Der() const {
  std::vector<std::string_view> der;
  for (const Certificate& certificate : chain) der.push_back(certificate.der());
  return der;
}

TestCa::TestCa(std::string_view trust_domain, std::uint64_t seed, std::int64_t now, TestKeys kind)
    : keys_(MakeKeys(kind, seed)),
      now_(now),
      authority_(*Authority::CreateRoot(trust_domain, *keys_, now - kDay)) {}

TestIdentity TestCa::Workload(std::string_view service_account, std::string_view name_space,
                              std::vector<std::string> dns, std::string labels) {
  PrivateKey key = keys_->Generate();
  SvidRequest order{
      .id = *SpiffeId::ForWorkload(authority_.trust_domain(), name_space, service_account),
      .public_key = key.native(),
      .dns_names = std::move(dns),
      .ip_addresses = {},
      .labels = std::move(labels)};
  return {{*authority_.Issue(order, *keys_, now_)}, std::move(key)};
}

TestIdentity TestCa::Bad(BadLeaf kind) {
  const std::string domain(authority_.trust_domain());
  CertificateFields fields = GoodFields(now_, domain);
  Spoil(&fields, kind, domain, now_);
  PrivateKey key = keys_->Generate();
  const bool self_signed = kind == BadLeaf::kSelfSigned;
  auto certificate =
      *BuildCertificate(fields, key.native(), self_signed ? nullptr : &authority_.certificate(),
                        self_signed ? key.native() : authority_.key().native());
  if (kind == BadLeaf::kKeyMismatch) return {{std::move(certificate)}, keys_->Generate()};
  return {{std::move(certificate)}, std::move(key)};
}

TestIdentity TestCa::WebServer(std::string dns_name) {
  CertificateFields fields = GoodFields(now_, authority_.trust_domain());
  fields.common_name = dns_name;
  fields.names = {{}, {std::move(dns_name)}, {}};
  fields.names_critical = false;
  fields.extended_key_usage = "serverAuth";
  PrivateKey key = keys_->Generate();
  return {{*BuildCertificate(fields, key.native(), &authority_.certificate(),
                             authority_.key().native())},
          std::move(key)};
}

TrustBundle TestCa::Bundle() const {
  return TrustBundle::OfDomain(authority_.trust_domain(), {authority_.certificate()});
}

TrustBundle TestCa::AnyDomainBundle() const {
  return TrustBundle::OfAnyDomain({authority_.certificate()});
}

}  // namespace tulle::certs::testing
