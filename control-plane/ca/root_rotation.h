// When a root may be replaced: add the new one to every trust bundle, sign with it once all have
// acknowledged, drop the old one once nobody needs it. A pure state machine: told of nodes and of
// the time, it says which step is due.
//
//   kSteady --Begin--> kAnnouncing --all acknowledged--> kRenewing --all renewed--> kSteady
//
// A node that is away cannot hold the rotation up for ever: its SVID ends after `svid_lifetime`,
// and with it the need to wait for it. A node that is there and does not acknowledge does hold it
// up: that is what waiting() shows. Holders that never connect (certificates in files) are waited
// for until the last such certificate of before the phase has ended: its successor comes with the
// new roots. Without any node, all that was issued must have ended; where nothing was issued,
// nothing is waited for. Owner and thread: MeshAuthority's. Times in seconds of one clock, passed
// in.
#ifndef TULLE_CONTROL_PLANE_CA_ROOT_ROTATION_H_
#define TULLE_CONTROL_PLANE_CA_ROOT_ROTATION_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tulle::ca {

enum class RotationPhase {
  kSteady,      // one root
  kAnnouncing,  // two in the bundle, the old one signs
  kRenewing,    // two in the bundle, the new one signs
};

class RootRotation {
 public:
  explicit RootRotation(int64_t svid_lifetime_seconds) : svid_lifetime_(svid_lifetime_seconds) {}
  // After a restart: the phase that was stored, after OnIssued with what was stored of that. Then
  // tell of every node that the registry knows, by OnConnected and OnDisconnected: one that has not
  // come back yet must be waited for.
  void Resume(RotationPhase phase, int64_t since);

  // The latest end of all SVIDs, and of those whose holders never connect; 0: there is none.
  struct Outstanding {
    int64_t any = 0;
    int64_t in_files = 0;
  };
  void OnIssued(int64_t not_after, bool in_file);
  const Outstanding& outstanding() const { return outstanding_; }

  // REQUIRES: phase() == kSteady.
  void Begin(int64_t now);

  // A node is connected; what it holds is told by the two calls below.
  void OnConnected(const std::string& node);
  void OnDisconnected(const std::string& node, int64_t now);
  // It has accepted a bundle with the new root in it.
  void OnAcknowledged(const std::string& node);
  // It presents an SVID signed by the new root.
  void OnRenewed(const std::string& node);

  // The phase that is now due; moves at most one step. The caller carries the step out (and stores
  // it) before it tells any node.
  RotationPhase Advance(int64_t now);

  RotationPhase phase() const { return phase_; }
  int64_t since() const { return since_; }
  // Nodes that the next step waits for, in order.
  std::vector<std::string> waiting() const;
  // Until when it waits, whatever nodes do, for certificates to end; 0: for none.
  int64_t waits_until(int64_t now) const;

 private:
  struct Node {
    bool is_connected = true;
    bool has_acknowledged = false;
    bool has_renewed = false;
    int64_t gone_since = 0;
  };

  bool IsReady(const Node& node) const;
  void Enter(RotationPhase phase, int64_t now);

  int64_t svid_lifetime_;
  RotationPhase phase_ = RotationPhase::kSteady;
  int64_t since_ = 0;
  Outstanding outstanding_;
  Outstanding before_phase_;  // what was outstanding when it began
  std::map<std::string, Node> nodes_;
};

}  // namespace tulle::ca

#endif  // TULLE_CONTROL_PLANE_CA_ROOT_ROTATION_H_
