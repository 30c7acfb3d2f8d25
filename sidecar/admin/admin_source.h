#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"

namespace tulle::admin {

// What the admin pages show and change: filled in by the composition root. Callbacks run on the
// loop's thread; an empty callback makes its page return 404. A producer may respond immediately or
// later (after asking the workers), once, on the same thread.
//
// No producer may include a private key or a token: secrets are shown by name, identity and
// validity only.
struct AdminSource {
  using Reply = absl::AnyInvocable<void(std::string)>;
  using Producer = std::function<void(Reply)>;

  struct State {
    bool ready = false;
    std::string name;  // "LIVE", "PRE_INITIALIZING", "DRAINING"
    // Listeners that cannot listen, by name; a refused registration.
    std::vector<std::string> problems = {};
  };
  std::function<State()> state;
  std::function<std::vector<telemetry::FamilySamples>()> metrics;

  Producer config_dump_json;
  Producer clusters_text;
  Producer clusters_json;
  Producer listeners_text;
  Producer listeners_json;
  Producer certs_json;
  Producer server_info_json;

  telemetry::Log* log = nullptr;
  std::function<void()> quit;
  std::function<void()> drain_listeners;
  // Carries out a probe of the application. False: there is none of that path.
  using Probed = absl::AnyInvocable<void(bool good)>;
  std::function<bool(std::string_view path, Probed done)> app_probe;
  // Leaves the mesh; the reply follows when that is done.
  std::function<void(absl::AnyInvocable<void()> done)> leave;
};

}  // namespace tulle::admin
