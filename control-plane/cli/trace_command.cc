// `tullectl trace`: the spans of one trace.

#include "control-plane/cli/commands.h"
#include "control-plane/cli/user_error.h"
#include "control-plane/cli/waterfall.h"

namespace tulle::cli {
namespace {

// Of a request the trace that it is part of, if a sidecar has recorded it; else `id` itself.
std::string TraceOf(Session& session, const std::string& id) {
  const bool is_trace = id.find('-') == std::string::npos;  // x-request-id is a UUID
  if (is_trace) return id;
  const auto found = session.Get("/v1/requests", {{"id", id}});
  if (!found.ok()) return id;
  for (const Json& request : PartAt(*found, "/requests")) {
    if (const std::string trace = TextAt(request, "/traceId"); !trace.empty()) return trace;
  }
  return id;
}

}  // namespace

absl::StatusOr<int> ShowTrace(Session& session) {
  const std::string& id = session.invocation.name;
  const auto trace = session.Get(ItemPath("/v1/traces", TraceOf(session, id)));
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
