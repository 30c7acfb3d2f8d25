#include "sidecar/process/process_pages.h"

#include <utility>

#include "sidecar/admin/snapshot_pages.h"
#include "sidecar/process/status_pages.h"
#include "telemetry/families.h"

namespace tulle::sidecar {

ProcessPages::ProcessPages(loop::Loop& loop, ProcessMetrics& metrics, WorkerThreads& threads,
                           telemetry::Log& log, Hooks hooks)
    : metrics_(metrics),
      threads_(threads),
      hooks_(std::move(hooks)),
      server_(loop, source_),
      metrics_server_(loop, metrics_source_),
      health_server_(loop, health_source_) {
  source_.state = [this] {
    const bool is_draining = threads_.sidecar().draining();
    admin::AdminSource::State state;
    state.ready = hooks_.is_ready() && !is_draining;
    state.name = is_draining ? "DRAINING" : state.ready ? "LIVE" : "PRE_INITIALIZING";
    state.problems = hooks_.problems();
    return state;
  };
  source_.metrics = [this] {
    ShowLimits();
    threads_.ShowMemory();
    return metrics_.Collect();
  };
  FillStatusPages(threads_.sidecar(), source_);
  source_.log = &log;
  source_.quit = hooks_.quit;
  source_.drain_listeners = hooks_.drain_listeners;
  source_.leave = hooks_.leave;
}

absl::Status ProcessPages::Listen(const SocketAddress& address, bool named) {
  return server_.Listen(address, named);
}

absl::Status ProcessPages::ListenReadOnly(std::optional<SocketAddress> metrics,
                                          std::optional<SocketAddress> health,
                                          std::unique_ptr<AppProbes> app_probes) {
  metrics_source_.metrics = source_.metrics;
  // The reasons name addresses and ports: for the admin page only.
  health_source_.state = [this] {
    admin::AdminSource::State state = source_.state();
    state.problems.clear();
    return state;
  };
  app_probes_ = std::move(app_probes);
  health_source_.app_probe = [this](std::string_view path, AppProbes::Done done) {
    return app_probes_->Ask(path, std::move(done));
  };
  if (metrics) {
    if (absl::Status listens = metrics_server_.Listen(*metrics, true); !listens.ok())
      return listens;
  }
  return health ? health_server_.Listen(*health, true) : absl::OkStatus();
}

void ProcessPages::ShowLimits() {
  telemetry::Registry& main = metrics_.main();
  main.Forget(telemetry::kUpstreamLimit);
  main.Forget(telemetry::kBreakerState);
  main.Forget(telemetry::kEndpointChecked);
  threads_.sidecar().VisitLimits(
      [&main](const upstream::ClusterSpec& cluster, upstream::ClusterLimits& limits) {
        admin::ShowLimits(main, cluster, limits);
      });
}

}  // namespace tulle::sidecar
