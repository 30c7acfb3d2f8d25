#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/base/socket_address.h"
#include "net/loop/loop.h"
#include "sidecar/discovery.h"
#include "sidecar/policy/rule_spec.h"
#include "sidecar/sidecar.h"

namespace tulle::sidecar {

// The listeners "ADDRESS_PORT" of destinations, fetched when a connection first wants to go there
// and given up when none has for a while: memory follows use. What the control plane does not know
// is answered at once; how many names are held, and how fast new ones are asked for, is bounded.
//
// Owner: Membership. Thread: main. Call Start once, before Discovery::Start and after
// Discovery::LoadLastGood: what is on disk counts as asked for.
class OnDemandListeners final {
 public:
  OnDemandListeners(loop::Loop& loop, Sidecar& sidecar, Discovery& discovery);
  // Addresses in `mesh_ranges` are nowhere else: unknown ones are refused.
  void Start(std::vector<policy::Cidr> mesh_ranges);

 private:
  struct Wanted {
    SocketAddress address;
    int unused_rounds = 0;
  };

  void Ask(const SocketAddress& destination);
  bool MayAskAnother();
  void OnMissing(const std::string& name);
  void GiveUpUnused(const std::set<std::string>& used);
  void Subscribe();

  loop::Loop& loop_;
  Sidecar& sidecar_;
  Discovery& discovery_;
  std::map<std::string, Wanted> wanted_;
  std::unique_ptr<loop::Timer> round_;
  loop::Instant second_began_{};
  int asked_this_second_ = 0;
};

}  // namespace tulle::sidecar
