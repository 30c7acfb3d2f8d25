// `tullectl trace`: the spans of one trace.

#include "control-plane/cli/commands.h"
#include "control-plane/cli/user_error.h"
#include "control-plane/cli/waterfall.h"

namespace tulle::cli {

absl::StatusOr<int> ShowTrace(Session& session) {
  const std::string& id = session.invocation.name;
  const auto trace = session.Get("/v1/traces/" + id);
  if (!trace.ok() && session.was_not_found()) {
    return UserError("trace \"" + id + "\" not found",
                     "only the newest traces are kept, of requests that were sampled: set "
                     "tracing in a TelemetryPolicy (docs/tracing.md). `tullectl explain " +
                         id + "` needs no tracing");
  }
  if (!trace.ok()) return trace.status();
  if (session.wants_json()) {
    PrintJson(*trace, session.invocation.format, session.out());
  } else {
    session.out() << WaterfallOf(*trace, session.environment.width);
  }
  return 0;
}

}  // namespace tulle::cli
