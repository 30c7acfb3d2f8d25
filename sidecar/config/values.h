#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/type/matcher/v3/string.pb.h"
#include "net/base/socket_address.h"
#include "sidecar/config/field_path.h"
#include "sidecar/match/header_match.h"
#include "sidecar/match/string_match.h"
#include "sidecar/policy/rule_spec.h"

// Conversions of small messages that many others contain.
namespace tulle::config {

using Milliseconds = std::chrono::milliseconds;
// The content of a file; the error gives the reason.
using FileReader = std::function<absl::StatusOr<std::string>(const std::string& path)>;

// 0 to 10 years, in milliseconds, rounded up.
absl::StatusOr<Milliseconds> ToMilliseconds(const google::protobuf::Duration& duration,
                                            const FieldPath& at);
absl::StatusOr<SocketAddress> ToAddress(const envoy::config::core::v3::Address& address,
                                        const FieldPath& at);
absl::StatusOr<SocketAddress> ToAddress(const envoy::config::core::v3::SocketAddress& address,
                                        const FieldPath& at);
absl::StatusOr<policy::Cidr> ToCidr(const envoy::config::core::v3::CidrRange& range,
                                    const FieldPath& at);
absl::StatusOr<std::string> ReadSource(const envoy::config::core::v3::DataSource& source,
                                       const FileReader& files, const FieldPath& at);
absl::StatusOr<match::StringSpec> ToString(const envoy::type::matcher::v3::StringMatcher& matcher,
                                           const FieldPath& at);
absl::StatusOr<match::HeaderSpec> ToHeader(const envoy::config::route::v3::HeaderMatcher& matcher,
                                           const FieldPath& at);
// metadata.filter_metadata.tulle.owners: the field of a policy that decides, by cause.
std::map<std::string, std::string> ToOwners(const envoy::config::core::v3::Metadata& metadata);

// FNV-1a; equal in every process.
uint64_t HashOf(std::string_view bytes, uint64_t seed = 0xcbf29ce484222325ULL);
// Maps are serialized in the order of their keys.
std::string DeterministicBytes(const google::protobuf::Message& message);

// Sets `out` if the field is set.
#define TULLE_READ_MILLISECONDS(message, field, at, out)                   \
  if ((message).has_##field()) {                                           \
    auto taken_##field = ToMilliseconds((message).field(), (at) / #field); \
    if (!taken_##field.ok()) return taken_##field.status();                \
    (out) = *taken_##field;                                                \
  }

}  // namespace tulle::config
