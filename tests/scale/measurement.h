#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/scale/control_process.h"
#include "tests/scale/mesh_api.h"
#include "tests/scale/mover.h"
#include "tests/scale/population.h"
#include "tests/scale/report.h"
#include "tests/scale/witness.h"

namespace tulle::scale {

struct MeasurementOptions {
  PopulationOptions population;
  std::string control;    // the program
  std::string directory;  // for everything; memory is best, since 10,000 identities are synced
  bool pin = true;        // the first core is the control plane's
  int idle_seconds = 20;
  int watch_seconds = 30;      // 0: nobody reads the dashboard
  int storm_seconds = 60;      // 0: no storm
  int patience_seconds = 600;  // for a change to settle
};

// One run: the phases in order, each adds its figures to the report. A phase's CPU time goes from
// the change until the control plane is as idle as it is with heartbeats alone, less what those
// cost. Owner: main. Thread: main.
class Measurement {
 public:
  explicit Measurement(MeasurementOptions options);
  ~Measurement();

  // Not OK: a phase could not be done. What was found all the same is in the report.
  absl::Status Run();
  const Report& report() const { return report_; }

 private:
  absl::Status Prepare();
  absl::Status Join();
  void Idle();
  absl::Status Watch();
  absl::Status MoveEndpoint();
  absl::Status ChangeRoute();
  absl::Status ChangePolicy();
  absl::Status Storm();
  absl::Status Restart();
  absl::Status Verify();

  struct Cost {
    double cpu_seconds = 0;
    double last_seconds = 0;   // until the last of the expected proxies had it
    double final_seconds = 0;  // until the last update of all
  };
  absl::Status Change(const std::string& what, const std::function<absl::Status()>& change,
                      size_t proxies, Cost* cost);
  // From `sent` until every watcher had the change, of the moves from `first` on.
  absl::StatusOr<double> LongestLag(int first, const std::vector<Clock::time_point>& sent,
                                    size_t watchers);
  // Waits until the control plane is idle; adds a fault if it does not become so.
  void Settle(const std::string& what);

  const MeasurementOptions options_;
  Report report_;
  Witness witness_;
  ControlProcess control_;
  std::unique_ptr<MeshApi> api_;
  std::unique_ptr<Population> population_;
  std::unique_ptr<Mover> mover_;
  double idle_share_ = 0;  // of a core
  int moves_ = 0;
};

}  // namespace tulle::scale
