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
  std::string bytes;  // of the message of the update's type
};

// One response, checked for form.
struct Update {
  std::string type_url;
  std::vector<ReceivedResource> resources;
  std::vector<std::string> removed;
};

struct Rejection {
  std::string name;
  std::string error;
};

// Who takes resources. Called on the client's thread; may change the subscriptions.
class UpdateTarget {
 public:
  virtual ~UpdateTarget() = default;
  // Takes what it can; what it rejects stays at its former version, and is named in the NACK.
  virtual std::vector<Rejection> OnUpdate(const Update& update) = 0;
};

// The client's side of one incremental ADS stream as a state machine: bytes in, bytes out. What was
// received outlives streams; a new stream says which versions are held, so that nothing is sent
// twice. Source: xds_protocol, "Incremental xDS"; messages
// envoy.service.discovery.v3.DeltaDiscovery{Request,Response}.
//
// Owner: AdsClient, or a test. Thread: one. Types are spoken of in the order in which they were
// first subscribed to.
class DeltaClient {
 public:
  struct Outgoing {
    std::string bytes;
    // A rejection of what was rejected before waits, so that a server that sends it again at once
    // does not make a hot loop.
    loop::Duration delay{0};
  };

  // `node`: a serialised envoy.config.core.v3.Node, sent in the first request of a stream.
  DeltaClient(std::string node, UpdateTarget& target) : node_(std::move(node)), target_(target) {}

  // All resources of the type.
  void SubscribeToAll(std::string_view type_url);
  // Exactly these by name (beside all, if that was asked for). What is no longer wanted is
  // forgotten.
  void Subscribe(std::string_view type_url, const std::set<std::string>& names);
  // Versions held from an earlier run.
  void Remember(std::string_view type_url, const std::string& name, const std::string& version);

  void OnStreamOpened();
  void OnStreamClosed();
  // False: not a message of this protocol; end the stream.
  bool OnMessage(std::string_view bytes);
  // What is to be sent now, in order; asked for after each of the calls above while a stream is
  // open.
  std::vector<Outgoing> TakeOutgoing();

  // For status: the versions in force of one type, by name.
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
