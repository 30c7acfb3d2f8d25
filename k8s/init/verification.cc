// The checks of tulle-init, each with real connections.
#include "k8s/init/verification.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <optional>

#include "absl/strings/str_cat.h"
#include "k8s/init/counting.h"
#include "k8s/init/network.h"
#include "k8s/init/probe.h"
#include "k8s/init/saved_rules.h"

namespace tulle::init {
namespace {

using std::chrono::milliseconds;
using Outcome = Check::Outcome;

// A connection within one machine takes microseconds; slow machines get plenty of time.
constexpr milliseconds kArrives{3000};
constexpr milliseconds kDoesNotArrive{300};
constexpr uint32_t kNobody = 65534;
constexpr char kNoCaller[] = "needs the capabilities SETUID and SETGID";

enum class Arrived { kYes, kNo, kWithoutOriginal };

// Other connections arrive here too: only the one addressed to `to` counts.
Arrived Await(Listener& sidecar, const Target& to, milliseconds within) {
  const auto end = std::chrono::steady_clock::now() + within;
  Arrived arrived = Arrived::kNo;
  for (;;) {
    const auto left =
        std::chrono::duration_cast<milliseconds>(end - std::chrono::steady_clock::now());
    const auto arrival = sidecar.Accept(std::max(left, milliseconds{0}));
    if (!arrival) return arrived;
    if (arrival->original == to) return Arrived::kYes;
    if (!arrival->original) arrived = Arrived::kWithoutOriginal;
    if (left.count() <= 0) return arrived;
  }
}

class Verification {
 public:
  Verification(const Redirection& redirection, const Tables& tables)
      : redirection_(redirection), tables_(tables), family_(tables.family()) {}
  // Without permission to read the rules: for RunCalls() alone.
  Verification(const Redirection& redirection, Family family)
      : redirection_(redirection), tables_(std::nullopt), family_(family) {}

  std::vector<Check> Run() {
    CheckRules();
    CheckVirtual();
    CheckUnknown();
    CheckOwner();
    CheckInbound();
    CheckLoopback();
    return std::move(checks_);
  }
  std::vector<Check> RunRules() {
    CheckRules();
    return std::move(checks_);
  }
  std::vector<Check> RunCalls() {
    CheckVirtual();
    CheckUnknown();
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
    if (!tables_) return geteuid();
    uint32_t id = kNobody;
    const auto holds = [&](const std::vector<uint32_t>& ids) {
      return std::find(ids.begin(), ids.end(), id) != ids.end();
    };
    while (holds(redirection_.uids) || holds(redirection_.gids)) --id;
    return id;
  }
  // The first that is not excluded; empty: all are.
  std::string RedirectedOf(std::initializer_list<const char*> addresses) const {
    for (const char* address : addresses) {
      const auto has_it = [&](const std::string& range) { return IsIn(range, address); };
      const auto& excluded = redirection_.exclude_outbound_ranges;
      if (std::none_of(excluded.begin(), excluded.end(), has_it)) return address;
    }
    return "";
  }
  uint16_t FreeOf(const std::vector<uint16_t>& excluded) const {
    uint16_t port = 9;  // discard: unused
    while (std::find(excluded.begin(), excluded.end(), port) != excluded.end()) ++port;
    return port;
  }

  void CheckRules();
  void CheckRuleIsFirst(const std::string& what, const std::string& chain, std::string_view jump,
                        const std::string& exclusion, std::string_view saved);
  void CheckVirtual();
  void CheckUnknown();
  void CheckOwner();
  void CheckInbound();
  void CheckLoopback();
  // `caller` dials `to`; it must arrive at `port` of the sidecar.
  void Expect(const std::string& what, uint32_t caller, const Target& to, uint16_t port,
              const std::string& listen_address);
  // The same while the sidecar is listening on its port.
  void ExpectByCounting(const std::string& what, Caller& call, const Target& to, uint16_t port);
  void AddNotRedirected(const std::string& what, const Target& to, uint16_t port);

  const Redirection& redirection_;
  const std::optional<Tables> tables_;
  const Family family_;
  std::vector<Check> checks_;
};

void Verification::CheckRules() {
  const std::string in = "inbound rules are set";
  const std::string out = "outbound rules are set";
  const auto saved = tables_->Save();
  if (!saved.ok()) return Add(in, Outcome::kFailed, std::string(saved.status().message()));
  CheckRuleIsFirst(in, "PREROUTING", kInboundJump, "--exclude-inbound-ports", *saved);
  CheckRuleIsFirst(out, "OUTPUT", kOutboundJump, "--exclude-outbound-ports", *saved);
}

// Connections from other hosts cannot be tested from here: check that no rule precedes ours.
void Verification::CheckRuleIsFirst(const std::string& what, const std::string& chain,
                                    std::string_view jump, const std::string& exclusion,
                                    std::string_view saved) {
  std::string before;
  for (const SavedRule& rule : RulesOfChain(saved, chain)) {
    if (rule.text == jump && before.empty()) return Add(what, Outcome::kPassed);
    if (rule.text == jump) {
      return Add(
          what, Outcome::kFailed,
          absl::StrCat(chain, " of ", tables_->name(), " has ", before, " before the jump to ",
                       "Tulle's rules; connections that match it bypass the sidecar: run ",
                       "tulle-init, which puts its own rules first. If this is intended, list ",
                       "the ports with ", exclusion));
    }
    if (before.empty() && MayTakeTcp(rule.text)) before = absl::StrCat("`", rule.text, "`");
  }
  Add(what, Outcome::kFailed,
      absl::StrCat(chain, " of ", tables_->name(), " does not have `",
                   absl::string_view(jump.data(), jump.size()), "`: run tulle-init"));
}

void Verification::AddNotRedirected(const std::string& what, const Target& to, uint16_t port) {
  if (!tables_) {
    return Add(what, Outcome::kFailed,
               absl::StrCat("a connection to ", to.text(), " is not redirected to port ", port));
  }
  Add(what, Outcome::kFailed,
      absl::StrCat("a connection to ", to.text(), " is not redirected to port ", port,
                   ": run tulle-init; if it has run, check `", tables_->name(),
                   "-save -t nat` for rules before TULLE_OUTPUT"));
}

void Verification::Expect(const std::string& what, uint32_t caller, const Target& to, uint16_t port,
                          const std::string& listen_address) {
  Caller call(caller, to);
  if (call.port() == 0) return Add(what, Outcome::kSkipped, kNoCaller);
  Listener sidecar({family_, listen_address, port});
  if (sidecar.error() == EADDRINUSE) return ExpectByCounting(what, call, to, port);
  if (sidecar.error() != 0) return Add(what, Outcome::kFailed, std::strerror(sidecar.error()));
  call.Dial();
  switch (Await(sidecar, to, kArrives)) {
    case Arrived::kYes:
      return Add(what, Outcome::kPassed);
    case Arrived::kNo:
      return AddNotRedirected(what, to, port);
    case Arrived::kWithoutOriginal:
      Add(what, Outcome::kFailed,
          "the kernel does not report the original destination: load the module nf_conntrack");
  }
}

void Verification::ExpectByCounting(const std::string& what, Caller& call, const Target& to,
                                    uint16_t port) {
  if (!tables_) {
    return Add(what, Outcome::kFailed,
               absl::StrCat("port ", port, " is in use: another proxy runs in this pod"));
  }
  const auto saved = tables_->Save();
  if (!saved.ok()) return Add(what, Outcome::kFailed, std::string(saved.status().message()));
  const auto counting = Counting::Of({to.address, to.port, call.port()}, port, *saved);
  if (!counting) return AddNotRedirected(what, to, port);
  const absl::Status begun = tables_->Restore(counting->Begin());
  if (!begun.ok()) return Add(what, Outcome::kFailed, std::string(begun.message()));
  call.Dial();
  const auto counted = tables_->Save(true);
  const absl::Status ended = tables_->Restore(counting->End());
  if (!counted.ok() || !counting->HasSeenIt(*counted)) return AddNotRedirected(what, to, port);
  if (!ended.ok()) return Add(what, Outcome::kFailed, std::string(ended.message()));
  Add(what, Outcome::kPassed, "the sidecar is running; counted by a rule");
}

void Verification::CheckVirtual() {
  if (redirection_.vip_range.empty() || !IsOf(family_, redirection_.vip_range)) return;
  std::string address = redirection_.vip_range.substr(0, redirection_.vip_range.find('/'));
  if (address.ends_with(".0")) address.back() = '1';
  Expect("connections to services are redirected to the sidecar", Application(),
         {family_, address, FreeOf(redirection_.exclude_outbound_ports)},
         redirection_.outbound_port, "127.0.0.1");
}

void Verification::CheckUnknown() {
  const std::string what = "other outbound connections are redirected to the sidecar";
  if (!redirection_.include_outbound_ranges.empty()) return;
  const std::string address = RedirectedOf(
      family_ == Family::kV4
          ? std::initializer_list<const char*>{"192.0.2.1", "198.51.100.1", "203.0.113.1"}
          : std::initializer_list<const char*>{"2001:db8::1", "100::1"});
  if (address.empty()) return Add(what, Outcome::kSkipped, "most addresses are excluded");
  const Target to{family_, address, FreeOf(redirection_.exclude_outbound_ports)};
  if (!HasRouteTo(to)) return Add(what, Outcome::kSkipped, "no route to external addresses");
  Expect(what, Application(), to, redirection_.outbound_port,
         family_ == Family::kV4 ? "127.0.0.1" : "::1");
}

void Verification::CheckOwner() {
  if (redirection_.vip_range.empty() || !IsOf(family_, redirection_.vip_range)) return;
  const std::string what = "connections of the sidecar are not redirected";
  if (redirection_.uids.empty()) return;
  std::string address = redirection_.vip_range.substr(0, redirection_.vip_range.find('/'));
  if (address.ends_with(".0")) address.back() = '1';
  const Target to{family_, address, FreeOf(redirection_.exclude_outbound_ports)};
  Caller call(redirection_.uids[0], to);
  if (call.port() == 0) return Add(what, Outcome::kSkipped, kNoCaller);
  Listener sidecar({family_, "127.0.0.1", redirection_.outbound_port});
  if (sidecar.error() != 0) return Add(what, Outcome::kSkipped, "the sidecar is running");
  call.Dial();
  if (Await(sidecar, to, kDoesNotArrive) != Arrived::kYes) return Add(what, Outcome::kPassed);
  Add(what, Outcome::kFailed,
      absl::StrCat("a connection of uid ", redirection_.uids[0],
                   " is redirected to the sidecar again: run tulle-init with --proxy-uid"));
}

void Verification::CheckInbound() {
  const std::string what = "inbound connections are redirected to the sidecar";
  const std::optional<std::string> own = OwnAddress(family_);
  if (!own) return Add(what, Outcome::kSkipped, "no address except loopback");
  if (redirection_.uids.empty()) return;
  const uint16_t port = redirection_.include_inbound_ports.empty()
                            ? FreeOf(redirection_.exclude_inbound_ports)
                            : redirection_.include_inbound_ports[0];
  Expect(what, redirection_.uids[0], {family_, *own, port}, redirection_.inbound_port,
         family_ == Family::kV4 ? "0.0.0.0" : "::");
}

void Verification::CheckLoopback() {
  const std::string what = "loopback is not redirected";
  Listener application({family_, family_ == Family::kV4 ? "127.0.0.1" : "::1", 0});
  if (application.error() != 0) {
    return Add(what, Outcome::kSkipped, std::strerror(application.error()));
  }
  Caller call(Application(), application.address());
  if (call.port() == 0) return Add(what, Outcome::kSkipped, kNoCaller);
  call.Dial();
  if (application.Accept(kArrives)) return Add(what, Outcome::kPassed);
  Add(what, Outcome::kFailed,
      absl::StrCat(
          "a connection to ", application.address().text(),
          " does not arrive: check that lo is up and that no other rule of OUTPUT matches it"));
}

}  // namespace

std::vector<Check> Verify(const Redirection& redirection, const Tables& tables) {
  return Verification(redirection, tables).Run();
}

std::vector<Check> VerifyCalls(const Redirection& redirection, Family family) {
  return Verification(redirection, family).RunCalls();
}

std::vector<Check> VerifyRules(const Redirection& redirection, const Tables& tables) {
  return Verification(redirection, tables).RunRules();
}

}  // namespace tulle::init
