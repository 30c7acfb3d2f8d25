#include "k8s/init/verification.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstring>

#include "k8s/init/network.h"
#include "k8s/init/probe.h"

namespace tulle::init {
namespace {

using std::chrono::milliseconds;
using Outcome = Check::Outcome;

// A connection inside one machine takes microseconds; slow machines get time all the same.
constexpr milliseconds kArrives{3000};
constexpr milliseconds kDoesNotArrive{300};
constexpr uint32_t kNobody = 65534;

class Verification {
 public:
  Verification(const Redirection& redirection, const Tables& tables)
      : redirection_(redirection), tables_(tables), family_(tables.family()) {}

  std::vector<Check> Run() {
    CheckRules();
    CheckVirtual();
    CheckUnknown();
    CheckOwner();
    CheckInbound();
    CheckLoopback();
    return std::move(checks_);
  }

 private:
  std::string Named(const std::string& what) const {
    return absl::StrCat(family_ == Family::kV4 ? "IPv4" : "IPv6", ": ", what);
  }
  void Add(const std::string& what, Outcome outcome, const std::string& detail = "") {
    checks_.push_back({Named(what), outcome, detail});
  }

  uint32_t Application() const {
    uint32_t id = kNobody;
    const auto holds = [&](const std::vector<uint32_t>& ids) {
      return std::find(ids.begin(), ids.end(), id) != ids.end();
    };
    while (holds(redirection_.uids) || holds(redirection_.gids)) --id;
    return id;
  }
  uint16_t FreeOf(const std::vector<uint16_t>& excluded) const {
    uint16_t port = 9;  // discard: nobody's
    while (std::find(excluded.begin(), excluded.end(), port) != excluded.end()) ++port;
    return port;
  }

  void CheckRules();
  void CheckVirtual();
  void CheckUnknown();
  void CheckOwner();
  void CheckInbound();
  void CheckLoopback();
  // `caller` dials `to`; it must come out at `port` of the sidecar.
  void Expect(const std::string& what, uint32_t caller, const Target& to, uint16_t port,
              const std::string& listen_address);
  void ExpectByCounters(const std::string& what, uint32_t caller, const Target& to, uint16_t port);

  const Redirection& redirection_;
  const Tables& tables_;
  const Family family_;
  std::vector<Check> checks_;
};

void Verification::CheckRules() {
  const auto saved = tables_.Save();
  const std::string what = "rules for inbound connections are set";
  if (!saved.ok()) return Add(what, Outcome::kFailed, std::string(saved.status().message()));
  if (!HasInboundJump(*saved)) {
    return Add(what, Outcome::kFailed,
               absl::StrCat("PREROUTING of ", tables_.name(),
                            " does not lead to TULLE_INBOUND: run tulle-init"));
  }
  Add(what, Outcome::kPassed);
}

void Verification::Expect(const std::string& what, uint32_t caller, const Target& to, uint16_t port,
                          const std::string& listen_address) {
  Listener sidecar({family_, listen_address, port});
  if (sidecar.error() == EADDRINUSE) return ExpectByCounters(what, caller, to, port);
  if (sidecar.error() != 0) return Add(what, Outcome::kFailed, std::strerror(sidecar.error()));
  Caller call(caller, to);
  if (!call.may_change_user()) {
    return Add(what, Outcome::kSkipped, "needs the capabilities SETUID and SETGID");
  }
  const auto arrival = sidecar.Accept(kArrives);
  if (!arrival) {
    return Add(what, Outcome::kFailed,
               absl::StrCat("a connection to ", to.text(), " does not come to port ", port,
                            ": run tulle-init; if it has run, see `", tables_.name(),
                            "-save -t nat` for rules before TULLE_OUTPUT"));
  }
  if (!arrival->original || *arrival->original != to) {
    return Add(what, Outcome::kFailed,
               absl::StrCat("the kernel does not tell where it was meant for: load the module "
                            "nf_conntrack"));
  }
  Add(what, Outcome::kPassed);
}

void Verification::ExpectByCounters(const std::string& what, uint32_t caller, const Target& to,
                                    uint16_t port) {
  const auto before = tables_.Save(true);
  Caller call(caller, to);
  if (!call.may_change_user()) {
    return Add(what, Outcome::kSkipped, "needs the capabilities SETUID and SETGID");
  }
  int64_t count = before.ok() ? RedirectedPackets(*before, port) : -1;
  for (int i = 0; i < 30 && count >= 0; ++i) {
    const auto after = tables_.Save(true);
    if (after.ok() && RedirectedPackets(*after, port) > count) {
      return Add(what, Outcome::kPassed, "the sidecar is running; by the rule's counter");
    }
  }
  Add(what, Outcome::kFailed,
      absl::StrCat("a connection to ", to.text(), " does not meet the rule that leads to port ",
                   port, ": run tulle-init"));
}

void Verification::CheckVirtual() {
  if (redirection_.vip_range.empty() || !IsOf(family_, redirection_.vip_range)) return;
  std::string address = redirection_.vip_range.substr(0, redirection_.vip_range.find('/'));
  if (address.ends_with(".0")) address.back() = '1';
  Expect("what is sent to services comes to the sidecar", Application(),
         {family_, address, FreeOf(redirection_.exclude_outbound_ports)},
         redirection_.outbound_port, "127.0.0.1");
}

void Verification::CheckUnknown() {
  const std::string what = "what is sent elsewhere comes to the sidecar";
  const Target to{family_, family_ == Family::kV4 ? "192.0.2.1" : "2001:db8::1",
                  FreeOf(redirection_.exclude_outbound_ports)};
  if (!redirection_.include_outbound_ranges.empty()) return;
  const auto covers_all = [](const std::string& range) { return range.ends_with("/0"); };
  if (std::any_of(redirection_.exclude_outbound_ranges.begin(),
                  redirection_.exclude_outbound_ranges.end(), covers_all)) {
    return;
  }
  if (!HasRouteTo(to)) return Add(what, Outcome::kSkipped, "there is no route to the outside");
  Expect(what, Application(), to, redirection_.outbound_port,
         family_ == Family::kV4 ? "127.0.0.1" : "::1");
}

void Verification::CheckOwner() {
  if (redirection_.vip_range.empty() || !IsOf(family_, redirection_.vip_range)) return;
  const std::string what = "what the sidecar sends is left alone";
  if (redirection_.uids.empty()) return;
  Listener sidecar({family_, "127.0.0.1", redirection_.outbound_port});
  if (sidecar.error() != 0) return Add(what, Outcome::kSkipped, "the sidecar is running");
  std::string address = redirection_.vip_range.substr(0, redirection_.vip_range.find('/'));
  if (address.ends_with(".0")) address.back() = '1';
  Caller call(redirection_.uids[0],
              {family_, address, FreeOf(redirection_.exclude_outbound_ports)});
  if (!call.may_change_user()) {
    return Add(what, Outcome::kSkipped, "needs the capabilities SETUID and SETGID");
  }
  if (!sidecar.Accept(kDoesNotArrive)) return Add(what, Outcome::kPassed);
  Add(what, Outcome::kFailed,
      absl::StrCat("a connection of uid ", redirection_.uids[0],
                   " is redirected to the sidecar again: run tulle-init with --proxy-uid"));
}

void Verification::CheckInbound() {
  const std::string what = "what comes in comes to the sidecar";
  const std::optional<std::string> own = OwnAddress(family_);
  if (!own) return Add(what, Outcome::kSkipped, "no address but loopback");
  if (redirection_.uids.empty()) return;
  const uint16_t port = redirection_.include_inbound_ports.empty()
                            ? FreeOf(redirection_.exclude_inbound_ports)
                            : redirection_.include_inbound_ports[0];
  Expect(what, redirection_.uids[0], {family_, *own, port}, redirection_.inbound_port,
         family_ == Family::kV4 ? "0.0.0.0" : "::");
}

void Verification::CheckLoopback() {
  const std::string what = "loopback is left alone";
  Listener application({family_, family_ == Family::kV4 ? "127.0.0.1" : "::1", 0});
  if (application.error() != 0) {
    return Add(what, Outcome::kSkipped, std::strerror(application.error()));
  }
  Caller call(Application(), application.address());
  if (!call.may_change_user()) {
    return Add(what, Outcome::kSkipped, "needs the capabilities SETUID and SETGID");
  }
  if (application.Accept(kArrives)) return Add(what, Outcome::kPassed);
  Add(what, Outcome::kFailed,
      absl::StrCat("a connection to ", application.address().text(),
                   " does not arrive: is lo up, and does another rule of OUTPUT take it?"));
}

}  // namespace

std::vector<Check> Verify(const Redirection& redirection, const Tables& tables) {
  return Verification(redirection, tables).Run();
}

}  // namespace tulle::init
