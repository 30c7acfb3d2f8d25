#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "net/loop/loop.h"

namespace tulle::xds {

struct ReceivedResource {
  std::string name;
  std::string version;
  std::string bytes;  // the serialised message, of the update's type
};

// One well-formed response.
struct Update {
  std::string type_url;
  std::vector<ReceivedResource> resources;
  std::vector<std::string> removed;
};

struct Rejection {
  std::string name;
  std::string error;
};

// Receives resources. Called on the client's thread; may change the subscriptions.
class UpdateTarget {
 public:
  virtual ~UpdateTarget() = default;
  // Accepts what is valid. A rejected resource stays at its former version, and the NACK names it.
  virtual std::vector<Rejection> OnUpdate(const Update& update) = 0;
};

// The client's side of one incremental ADS stream as a state machine: bytes in, bytes out. Received
// versions outlive streams: a new stream starts with them, so that nothing is sent twice. Source:
// xds_protocol, "Incremental xDS"; messages
// envoy.service.discovery.v3.DeltaDiscovery{Request,Response}.
//
// Owner: AdsClient, or a test. Thread: one. Types are requested in the order of their first
// subscription.
class DeltaClient {
 public:
  struct Outgoing {
    std::string bytes;
    // The NACK of a version that was rejected before is delayed, so that a server that resends it
    // at once does not cause a busy loop.
    loop::Duration delay{0};
  };

  // `node`: a serialised envoy.config.core.v3.Node, sent in the first request of a stream.
  DeltaClient(std::string node, UpdateTarget& target) : node_(std::move(node)), target_(target) {}

  // Wildcard: all resources of the type. Before Subscribe, if names are subscribed to as well.
  void SubscribeToAll(std::string_view type_url);
  // Exactly these by name (beside the wildcard, if there is one). The versions of names that were
  // given up are forgotten, since the target drops them: a version that is held is not sent again.
  void Subscribe(std::string_view type_url, const std::set<std::string>& names);
  // A version from an earlier run.
  void Remember(std::string_view type_url, const std::string& name, const std::string& version);

  void OnStreamOpened();
  void OnStreamClosed();
  // False: an invalid message; end the stream.
  bool OnMessage(std::string_view bytes);
  // The requests to send now, in order. Call it after each of the calls above while a stream is
  // open.
  std::vector<Outgoing> TakeOutgoing();

  // The versions in force of one type, by name.
  const std::map<std::string, std::string>& versions(std::string_view type_url) const;

 private:
  struct Type {
    std::string url;
    bool wildcard = false;
    std::set<std::string> wanted;
    std::map<std::string, std::string> versions;  // held
    // On this stream:
    bool spoken = false;
    std::set<std::string> subscribed;
    std::string rejected;  // what the last NACK was about
    int repeated_rejections = 0;
  };
  Type& TypeOf(std::string_view url);
  void Acknowledge(Type& type, const std::string& nonce, const std::vector<Rejection>& rejections,
                   const std::string& what);
  void SendChanges(Type& type);

  const std::string node_;
  UpdateTarget& target_;
  std::vector<Type> types_;
  std::vector<Outgoing> outgoing_;
  bool open_ = false;
  bool node_sent_ = false;
};

}  // namespace tulle::xds
