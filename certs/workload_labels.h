// What a workload says of itself beside its identity: labels as those of a pod, from which metrics
// take its application and version. They travel in its certificate, so that a peer learns them in
// the handshake and no request carries them. The control plane signs them as they were asked for:
// only the SPIFFE ID is proved, and nothing may be authorized by a label.
//
// In a request for a certificate and in the certificate: a non-critical X.509 extension, OID
// 2.25.147770418230251218244441304869929647907 (of a UUID, ITU-T X.667), which contains a
// UTF8String KEY=VALUE,KEY=VALUE with the keys in order. Pure; any thread.
#pragma once

#include <openssl/base.h>
#include <openssl/x509.h>

#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace tulle::certs {

using WorkloadLabels = std::map<std::string, std::string, std::less<>>;

// Source: the labels from which Istio takes canonical services and revisions.
inline constexpr std::array<const char*, 7> kWorkloadLabels = {
    "app",
    "app.kubernetes.io/name",
    "app.kubernetes.io/version",
    "service.istio.io/canonical-name",
    "service.istio.io/canonical-revision",
    "topology.istio.io/cluster",
    "version",
};

// One that is not empty: letters, digits, '-', '_' and '.'; at most 63. Source: Kubernetes.
bool IsLabelValue(std::string_view text);

// KEY=VALUE,KEY=VALUE as in certificates; empty: none. kInvalidArgument names what is wrong: an
// unknown key, one that stands twice, or a value that is none.
absl::StatusOr<WorkloadLabels> ParseWorkloadLabels(std::string_view text);
// REQUIRES: labels that ParseWorkloadLabels would accept.
std::string TextOf(const WorkloadLabels& labels);

// The extension with such a text. Null: memory is exhausted.
bssl::UniquePtr<X509_EXTENSION> MakeLabelsExtension(std::string_view text);
// The text of that extension, not checked yet; empty: there is none. kInvalidArgument: it is
// malformed, or there are several.
absl::StatusOr<std::string> LabelsTextIn(const STACK_OF(X509_EXTENSION) * extensions);
// The text of a peer's certificate; empty: there is none, or nothing that can be used.
std::string LabelsTextOf(const X509* certificate);

}  // namespace tulle::certs
