// When a root may be replaced: add the new one to every trust bundle, sign with it once all have
// acknowledged, drop the old one once it is not needed any more. A pure state machine: from events
// of nodes and the time it derives which step is due.
//
//   kSteady --Begin--> kAnnouncing --all acknowledged--> kRenewing --all renewed--> kSteady
//
// A disconnected node cannot delay the rotation forever: the rotation waits only until its SVID
// expires. A connected node that does not acknowledge does delay it; waiting() names such nodes.
// Certificates that no node has presented yet (unseen_certificates.h) and those in files, whose
// holders never connect, delay it until they expire if they were issued before the phase: their
// successors come with the new roots. If nothing was issued, the rotation waits for nothing. All
// holders are stored on disk (holder_record.h), so that none is lost in a restart. Owner and
// thread: MeshAuthority's. Times in seconds of one clock, passed in.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "control-plane/ca/unseen_certificates.h"

namespace tulle::ca {

enum class RotationPhase {
  kSteady,      // one root
  kAnnouncing,  // two in the bundle, the old one signs
  kRenewing,    // two in the bundle, the new one signs
};

const char* NameOf(RotationPhase phase);

class RootRotation {
 public:
  explicit RootRotation(int64_t svid_lifetime_seconds) : svid_lifetime_(svid_lifetime_seconds) {}
  // After a restart: the phase that was stored, after OnIssued, WaitUntil and Restore with what was
  // stored of those.
  void Resume(RotationPhase phase, int64_t since);

  // The latest expiry of all SVIDs, of those whose holders never connect, and of those whose
  // holders are no longer recorded; 0: none.
  struct Outstanding {
    int64_t any = 0;
    int64_t in_files = 0;
    int64_t unknown = 0;

    bool operator==(const Outstanding&) const = default;
  };
  void OnIssued(int64_t not_after, bool in_file);
  // One for a sidecar, which will show it.
  void OnIssued(const std::string& sha256, UnseenCertificates::Certificate certificate);
  // A holder that is not recorded has a certificate that is valid until then.
  void WaitUntil(int64_t end);
  const Outstanding& outstanding() const { return outstanding_; }

  // REQUIRES: phase() == kSteady.
  void Begin(int64_t now);

  // What a node has shown.
  struct Svid {
    std::string identity;
    std::string sha256;
    int64_t not_after = 0;  // 0: not known
  };
  // A node has connected; the two calls below report what it has.
  void OnConnected(const std::string& node, const Svid& svid);
  void OnConnected(const std::string& node) { OnConnected(node, Svid()); }
  void OnDisconnected(const std::string& node, int64_t now);
  // It has left in an orderly way: once it is disconnected, nothing waits for it. If it comes back
  // with a certificate of a former root, it joins again by its token.
  void OnEnded(const std::string& node);
  // It has accepted a bundle with the new root in it.
  void OnAcknowledged(const std::string& node);
  // It presents an SVID signed by the new root.
  void OnRenewed(const std::string& node);

  // Its certificates are revoked: none of its nodes is waited for.
  void Forget(const std::string& identity);

  // A node as it is kept on disk. Restored, it is away.
  struct Holder {
    std::string identity;
    int64_t until = 0;  // the end of its certificate; 0: not known
  };
  void Restore(const std::string& node, const Holder& holder);
  std::optional<Holder> HolderOf(const std::string& node) const;
  const UnseenCertificates& unseen() const { return unseen_; }
  // What is to be written anew or deleted since the last call.
  struct Changed {
    std::set<std::string> nodes;
    std::set<std::string> certificates;
  };
  Changed TakeChanged();
  void MarkChanged(const Changed& again);

  // Replicas share the roots: from now on what nodes do in a phase counts only after Settle(), and
  // a phase is not due before that.
  void AwaitSettling() {
    must_settle_ = true;
    is_settled_ = false;
  }
  void Settle() { is_settled_ = true; }
  bool is_settled() const { return is_settled_; }
  // Whether this replica does not know yet that nodes of other replicas are ready, too.
  void SetOthersWait(bool others_wait, std::string reason) {
    others_wait_ = others_wait;
    others_reason_ = others_wait ? std::move(reason) : "";
  }
  // What it waits for then, in words; empty: for nothing.
  const std::string& others_reason() const { return others_reason_; }
  // Nodes that are connected, and ready for the next step.
  std::set<std::string> ready() const;
  // Whether it is connected, or has shown a certificate that is still valid.
  bool IsAlive(const std::string& node, int64_t now) const;
  // The same of one that is connected to another replica.
  void OnReadyElsewhere(const std::string& node);

  // The step that is waited for now is due, whoever is not ready. REQUIRES: phase() != kSteady.
  void Force() { is_forced_ = true; }
  // Nodes that are away, and certificates.
  void ForgetExpired(int64_t now);
  // Forgets what has expired, then returns the phase that is now due, at most one step further.
  // The caller carries out the step, stores it and calls Enter() before it notifies any node.
  RotationPhase DuePhase(int64_t now);
  void Enter(RotationPhase phase, int64_t now);
  // Both.
  RotationPhase Advance(int64_t now);

  RotationPhase phase() const { return phase_; }
  int64_t since() const { return since_; }
  // Nodes that the next step waits for, in order.
  std::vector<std::string> waiting() const;
  // Until when it waits, whatever nodes do, for certificates to end; 0: for none.
  int64_t waits_until(int64_t now) const;

 private:
  // An identity may use any number of node names.
  static constexpr size_t kMostNodesOfOneIdentity = 1000;

  struct Node {
    bool is_connected = true;
    bool has_acknowledged = false;
    bool has_renewed = false;
    bool has_ended = false;
    int64_t gone_since = 0;
    Holder holder;
  };

  bool IsReady(const Node& node) const;
  int64_t EndOf(const Node& node) const;
  void MakeRoom(const std::string& identity);
  void SetHolder(Node* node, const Holder& holder);
  std::map<std::string, Node>::iterator Erase(std::map<std::string, Node>::iterator node);

  int64_t svid_lifetime_;
  RotationPhase phase_ = RotationPhase::kSteady;
  int64_t since_ = 0;
  bool is_forced_ = false;
  bool must_settle_ = false;
  bool is_settled_ = true;
  bool others_wait_ = false;
  std::string others_reason_;
  Outstanding outstanding_;
  Outstanding before_phase_;  // what was outstanding when it began
  std::map<std::string, Node> nodes_;
  std::map<std::string, size_t> count_of_;  // nodes, by identity
  std::set<std::string> changed_nodes_;
  UnseenCertificates unseen_;
};

}  // namespace tulle::ca
