#include "control-plane/ca/roots_record.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tulle::ca {
namespace {

using Json = nlohmann::json;

RotationPhase PhaseOf(const std::string& text) {
  if (text == "announcing") return RotationPhase::kAnnouncing;
  if (text == "renewing") return RotationPhase::kRenewing;
  return RotationPhase::kSteady;
}

absl::Status ReadActive(const Json& json, Roots* roots) {
  for (const Json& each : json.at("roots")) {
    auto root = certs::Authority::FromPem(each.at("certificate").get<std::string>(),
                                          each.at("key").get<std::string>());
    if (!root.ok()) return absl::UnimplementedError(root.status().ToString());
    roots->active.push_back(*std::move(root));
  }
  const bool is_steady = roots->phase == RotationPhase::kSteady;
  if (roots->active.size() != (is_steady ? 1 : 2))
    return absl::UnimplementedError("unexpected number of roots");
  return absl::OkStatus();
}

}  // namespace

bool Roots::have_ended(int64_t now) const {
  return std::all_of(active.begin(), active.end(), [now](const certs::Authority& root) {
    return root.certificate().not_after() <= now;
  });
}

std::string ToRecord(const Roots& roots) {
  Json json = {{"phase", NameOf(roots.phase)},
               {"since", roots.since},
               {"roots", Json::array()},
               {"former", Json::array()}};
  for (const certs::Authority& root : roots.active) {
    json["roots"].push_back(
        {{"certificate", root.certificate().ToPem()}, {"key", root.key().ToPem()}});
  }
  for (const FormerRoot& root : roots.former) {
    json["former"].push_back({{"certificate", root.certificate_pem},
                              {"successor", root.successor_pem},
                              {"until", root.until}});
  }
  if (roots.generation != 0) json["generation"] = roots.generation;
  if (!roots.evictions.empty()) json["evictions"] = Json::parse(roots.evictions.ToJson());
  return json.dump();
}

absl::StatusOr<Roots> ParseRoots(const std::string& record) {
  const Json json = Json::parse(record, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return absl::DataLossError("it is not valid JSON");
  Roots roots;
  try {
    roots.phase = PhaseOf(json.at("phase").get<std::string>());
    roots.since = json.at("since").get<int64_t>();
    roots.generation = json.value("generation", int64_t{0});
    const absl::Status read = ReadActive(json, &roots);
    if (!read.ok()) return read;
    for (const Json& each : json.value("former", Json::array())) {
      roots.former.push_back({each.at("certificate").get<std::string>(),
                              each.at("successor").get<std::string>(),
                              each.at("until").get<int64_t>()});
    }
    auto evictions = Evictions::Parse(json.value("evictions", Json::object()).dump());
    if (!evictions.ok()) return absl::UnimplementedError(std::string(evictions.status().message()));
    roots.evictions = *std::move(evictions);
  } catch (const Json::exception&) {
    return absl::UnimplementedError("invalid format");  // the exception's text may contain keys
  }
  return roots;
}

}  // namespace tulle::ca
