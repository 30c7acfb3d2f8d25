// JWKS form of a trust bundle (SPIFFE_Trust_Domain_and_Bundle.md section 4):
// {"keys": [{"kty": "EC", "use": "x509-svid", "x5c": ["BASE64 DER"], ...}], "spiffe_sequence": N}
// An x509-svid entry has no kid and its first x5c value counts; entries of unknown kinds are
// ignored.
#include <openssl/base64.h>

#include <nlohmann/json.hpp>

#include "certs/trust_bundle.h"

namespace tulle::certs {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxBundleBytes = 4 << 20;

absl::Status BadBundle(std::string_view what) {
  return absl::InvalidArgumentError(
      std::string(what) +
      "; a SPIFFE bundle is {\"keys\": [{\"use\": \"x509-svid\", \"x5c\": [...]}]}");
}

absl::StatusOr<Json> ParseJson(std::string_view text) {
  if (text.size() > kMaxBundleBytes) return BadBundle("trust bundle exceeds 4 MiB");
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return BadBundle("invalid trust bundle: expected a JSON object");
  return json;
}

absl::StatusOr<Certificate> DecodeEntry(const Json& entry) {
  const auto x5c = entry.find("x5c");
  if (entry.contains("kid") || x5c == entry.end() || !x5c->is_array() || x5c->empty() ||
      !x5c->front().is_string()) {
    return BadBundle("x509-svid entry must have x5c and no kid");
  }
  const auto& text = x5c->front().get_ref<const std::string&>();
  std::string der(text.size(), '\0');
  std::size_t length = 0;
  if (!EVP_DecodeBase64(reinterpret_cast<std::uint8_t*>(der.data()), &length, der.size(),
                        reinterpret_cast<const std::uint8_t*>(text.data()), text.size())) {
    return BadBundle("invalid base64 in x5c");
  }
  der.resize(length);
  return Certificate::FromDer(der);
}

bool IsX509Entry(const Json& entry) {
  const auto use = entry.find("use");
  return use != entry.end() && use->is_string() && *use == "x509-svid";
}

absl::StatusOr<std::vector<Certificate>> DecodeBundle(const Json& bundle) {
  const auto keys = bundle.find("keys");
  if (keys == bundle.end() || !keys->is_array()) return BadBundle("trust bundle has no \"keys\"");
  std::vector<Certificate> roots;
  for (const Json& entry : *keys) {
    if (!entry.is_object()) return BadBundle("trust bundle key must be an object");
    if (!IsX509Entry(entry)) continue;
    auto root = DecodeEntry(entry);
    if (!root.ok()) return root.status();
    roots.push_back(*std::move(root));
  }
  return roots;
}

}  // namespace

absl::StatusOr<std::vector<Certificate>> ParseSpiffeBundle(std::string_view json) {
  const auto bundle = ParseJson(json);
  if (!bundle.ok()) return bundle.status();
  return DecodeBundle(*bundle);
}

absl::StatusOr<TrustBundle> ParseSpiffeBundleMap(std::string_view json) {
  const auto map = ParseJson(json);
  if (!map.ok()) return map.status();
  const auto domains = map->find("trust_domains");
  if (domains == map->end() || !domains->is_object()) {
    return BadBundle("bundle map has no \"trust_domains\"");
  }
  TrustBundle bundle;
  for (const auto& [name, entry] : domains->items()) {
    if (!entry.is_object()) return BadBundle("each bundle of a bundle map must be an object");
    auto roots = DecodeBundle(entry);
    if (!roots.ok()) return roots.status();
    if (auto added = bundle.Add(name, *std::move(roots)); !added.ok()) return added;
  }
  return bundle;
}

}  // namespace tulle::certs
