#include "sidecar/membership/instance_id.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "sidecar/identity/state_file.h"

namespace tulle::sidecar {
namespace {

using telemetry::LogComponent;
using telemetry::LogLevel;

constexpr size_t kLongestId = 253;  // the registry's limit

bool IsValid(const std::string& id) {
  return !id.empty() && id.size() <= kLongestId &&
         std::none_of(id.begin(), id.end(), [](unsigned char c) { return absl::ascii_iscntrl(c); });
}

}  // namespace

std::string InstanceId(const std::string& state_directory, const std::string& name,
                       loop::Random& random, telemetry::Log& log) {
  const std::string path = state_directory + "/instance";
  if (auto known = identity::ReadStateFile(path); known.ok()) {
    std::string id(absl::StripAsciiWhitespace(*known));
    if (IsValid(id)) return id;
    log.Write(LogLevel::kWarning, LogComponent::kMain,
              absl::StrCat(path, " is invalid; creating a new instance ID"));
  }
  const std::string fresh =
      absl::StrCat(name, "-", absl::Hex(random.Next() >> 24, absl::kZeroPad10));
  const absl::Status written = identity::WriteStateFile(path, fresh);
  if (!written.ok())
    log.Write(LogLevel::kError, LogComponent::kMain, std::string(written.message()));
  return fresh;
}

}  // namespace tulle::sidecar
