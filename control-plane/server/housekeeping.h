// What the control plane does by itself, once a second: leases end, the root is rotated when it is
// due and goes on step by step, expired join tokens are deleted. Watches the clock: after a jump it
// is unknown which time is right, and what is due can wait. Writes down who holds certificates: the
// first of a burst at once, the others together 50 ms later. Returns memory that is not used, and
// logs certificates that were refused, at most once a minute.
//
// Owner: ControlPlane. Thread: the loop's.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "control-plane/ca/join_token.h"
#include "control-plane/ca/mesh_authority.h"
#include "control-plane/server/mesh_builder.h"
#include "control-plane/server/registry_source.h"
#include "net/loop/loop.h"
#include "telemetry/log.h"

namespace tulle::server {

class Housekeeping {
 public:
  // All outlive this. `on_roots_changed`: the trust bundle or the signing root is another one.
  struct Parts {
    loop::Loop& loop;
    telemetry::Log& log;
    RegistrySource& registry;
    MeshBuilder& mesh;
    ca::MeshAuthority& authority;
    ca::JoinTokens& tokens;
    std::function<void()> on_roots_changed;
    // Whether the root may be rotated by this process now.
    std::function<bool()> may_rotate;
  };
  explicit Housekeeping(Parts parts);
  void SetMayRotate(std::function<bool()> may_rotate) { parts_.may_rotate = std::move(may_rotate); }
  ~Housekeeping();

 private:
  void Tick();
  void WatchClock();
  void AdvanceRotation();
  void SaveIssued();
  void ReturnMemory();
  void ReportRefusals();
  int64_t Now() const;  // seconds since the epoch
  std::chrono::milliseconds MonotonicNow() const;

  Parts parts_;
  std::unique_ptr<loop::Timer> tick_;
  std::unique_ptr<loop::Timer> save_;
  int64_t cleaned_at_ = 0;
  int64_t refusals_reported_ = 0;
  int64_t refusals_reported_at_ = 0;
  size_t returned_ = 0;  // bytes, to malloc and not yet to the system
  int64_t clock_ahead_;  // of the monotonic one, in seconds
  std::chrono::milliseconds clock_trusted_from_{0};
};

}  // namespace tulle::server
