#include <cstdint>
#include <cstdlib>
#include <string>

#include "control-plane/policy/canonical_json.h"
#include "control-plane/policy/parse.h"

// Whatever is accepted is written and read back to the same policy; whatever is refused says why.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  namespace policy = tulle::policy;
  const std::string text(bytes, bytes + size);
  const policy::ParsedFile parsed = policy::ParseDocuments(text, "fuzz.yaml");
  if (parsed.ok() == parsed.documents.empty()) std::abort();
  for (const policy::Document& document : parsed.documents) {
    for (const std::string& written : {policy::ToJson(document), policy::ToYaml(document)}) {
      const policy::ParsedFile again = policy::ParseDocuments(written, "again");
      if (!again.ok() || !again.documents[0].SameAs(document)) std::abort();
    }
  }
  return 0;
}
