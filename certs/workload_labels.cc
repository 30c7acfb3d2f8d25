#include "certs/workload_labels.h"

#include <openssl/asn1.h>
#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/obj.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "certs/der.h"

namespace tulle::certs {
namespace {

constexpr size_t kLongestValue = 63;

// DER of the OID: a tag, a length, and its arcs in base 128.
constexpr std::uint8_t kOid[] = {0x06, 20,   0x69, 0x81, 0xde, 0xab, 0xc6, 0x87, 0xc7, 0xd7, 0xa2,
                                 0xa9, 0xb3, 0x9c, 0x87, 0xae, 0x94, 0x9d, 0xa2, 0xf9, 0xfe, 0x23};

bool IsOurs(const X509_EXTENSION* extension) {
  const ASN1_OBJECT* object = X509_EXTENSION_get_object(const_cast<X509_EXTENSION*>(extension));
  const size_t length = sizeof(kOid) - 2;
  return OBJ_length(object) == length &&
         std::equal(kOid + 2, kOid + sizeof(kOid), OBJ_get0_data(object));
}

// The UTF8String that an extension contains, and nothing else.
std::optional<std::string> ContentOf(const X509_EXTENSION* extension) {
  const ASN1_OCTET_STRING* value = X509_EXTENSION_get_data(const_cast<X509_EXTENSION*>(extension));
  CBS bytes, text;
  CBS_init(&bytes, ASN1_STRING_get0_data(value), ASN1_STRING_length(value));
  if (!CBS_get_asn1(&bytes, &text, CBS_ASN1_UTF8STRING) || CBS_len(&bytes) != 0)
    return std::nullopt;
  return std::string(reinterpret_cast<const char*>(CBS_data(&text)), CBS_len(&text));
}

absl::Status Invalid(std::string_view text, const std::string& expected) {
  return absl::InvalidArgumentError(absl::StrCat(
      "invalid label \"", absl::CHexEscape(std::string(text.substr(0, 128))), "\": ", expected));
}

}  // namespace

bool IsLabelValue(std::string_view text) {
  return !text.empty() && text.size() <= kLongestValue &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' ||
                  c == '.';
         });
}

absl::StatusOr<WorkloadLabels> ParseWorkloadLabels(std::string_view text) {
  WorkloadLabels labels;
  if (text.empty()) return labels;
  for (const std::string& one : std::vector<std::string>(absl::StrSplit(std::string(text), ','))) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(one, absl::MaxSplits('=', 1));
    if (std::find(kWorkloadLabels.begin(), kWorkloadLabels.end(), parts.first) ==
        kWorkloadLabels.end()) {
      return Invalid(one, absl::StrCat("expected KEY=VALUE with one of the keys ",
                                       absl::StrJoin(kWorkloadLabels, ", ")));
    }
    if (!IsLabelValue(parts.second)) {
      return Invalid(one, absl::StrCat("expected a value of at most ", kLongestValue,
                                       " letters, digits, '-', '_' and '.'"));
    }
    if (!labels.insert(parts).second) return Invalid(one, "its key stands twice");
  }
  return labels;
}

std::string TextOf(const WorkloadLabels& labels) {
  return absl::StrJoin(labels, ",", absl::PairFormatter("="));
}

bssl::UniquePtr<X509_EXTENSION> MakeLabelsExtension(std::string_view text) {
  const std::string der = Marshal([text](CBB* out) {
    CBB string;
    return CBB_add_asn1(out, &string, CBS_ASN1_UTF8STRING) &&
           CBB_add_bytes(&string, reinterpret_cast<const std::uint8_t*>(text.data()),
                         text.size()) &&
           CBB_flush(out);
  });
  const std::uint8_t* at = kOid;
  const bssl::UniquePtr<ASN1_OBJECT> object(d2i_ASN1_OBJECT(nullptr, &at, sizeof(kOid)));
  const bssl::UniquePtr<ASN1_OCTET_STRING> value(ASN1_OCTET_STRING_new());
  if (object == nullptr || value == nullptr ||
      !ASN1_OCTET_STRING_set(value.get(), reinterpret_cast<const std::uint8_t*>(der.data()),
                             static_cast<int>(der.size()))) {
    return nullptr;
  }
  return bssl::UniquePtr<X509_EXTENSION>(
      X509_EXTENSION_create_by_OBJ(nullptr, object.get(), 0, value.get()));
}

absl::StatusOr<std::string> LabelsTextIn(const STACK_OF(X509_EXTENSION) * extensions) {
  std::optional<std::string> found;
  for (size_t i = 0; extensions != nullptr && i < sk_X509_EXTENSION_num(extensions); ++i) {
    const X509_EXTENSION* extension = sk_X509_EXTENSION_value(extensions, i);
    if (!IsOurs(extension)) continue;
    if (found) return absl::InvalidArgumentError("the extension with labels stands twice");
    found = ContentOf(extension);
    if (!found) return absl::InvalidArgumentError("malformed extension with labels");
  }
  return found.value_or("");
}

std::string LabelsTextOf(const X509* certificate) {
  absl::StatusOr<std::string> text = LabelsTextIn(X509_get0_extensions(certificate));
  return text.ok() && ParseWorkloadLabels(*text).ok() ? *std::move(text) : "";
}

}  // namespace tulle::certs
