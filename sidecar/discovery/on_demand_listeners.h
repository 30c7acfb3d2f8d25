#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/base/socket_address.h"
#include "net/loop/loop.h"
#include "sidecar/dataplane/sidecar.h"
#include "sidecar/discovery/discovery.h"
#include "sidecar/policy/rule_spec.h"

namespace tulle::sidecar {

// The listeners "ADDRESS_PORT" of virtual addresses, fetched on the first connection to a
// destination and dropped when it has been unused for a while: memory follows use. Destinations
// that the control plane does not know are answered at once. The number of names, and the rate of
// new ones, is limited.
//
// Owner: Membership. Thread: main. Call Start once, before Discovery::Start and after
// Discovery::LoadLastGood: the listeners on disk count as fetched, also those that still wait for
// the identity.
class OnDemandListeners final {
 public:
  OnDemandListeners(loop::Loop& loop, Sidecar& sidecar, Discovery& discovery);
  // Unknown addresses in `mesh_ranges` are refused: nothing outside the mesh has them.
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
