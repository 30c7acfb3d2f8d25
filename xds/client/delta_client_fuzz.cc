// Responses of a hostile management server, one after the other, each with a length of two bytes
// before it. The first byte says what the target rejects and when the stream breaks. Whatever
// comes, what is sent is a request of the protocol, and a NACK for what was rejected.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "envoy/service/discovery/v3/discovery.pb.h"
#include "xds/client/delta_client.h"

namespace tulle::xds {
namespace {

constexpr std::string_view kClusters = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
constexpr std::string_view kEndpoints =
    "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";

class Target final : public UpdateTarget {
 public:
  explicit Target(uint8_t choice) : choice_(choice) {}
  std::vector<Rejection> OnUpdate(const Update& update) override {
    std::vector<Rejection> rejections;
    for (const ReceivedResource& resource : update.resources) {
      if ((choice_ & 1) != 0) rejections.push_back({resource.name, resource.bytes});
      if ((choice_ & 2) != 0) client->Subscribe(kEndpoints, {resource.name});
    }
    return rejections;
  }
  DeltaClient* client = nullptr;

 private:
  const uint8_t choice_;
};

void Drain(DeltaClient& client) {
  for (const DeltaClient::Outgoing& outgoing : client.TakeOutgoing()) {
    envoy::service::discovery::v3::DeltaDiscoveryRequest request;
    if (!request.ParseFromString(outgoing.bytes) || outgoing.delay.count() < 0) std::abort();
  }
}

void Run(uint8_t choice, std::string_view rest) {
  Target target(choice);
  DeltaClient client("", target);
  target.client = &client;
  client.SubscribeToAll(kClusters);
  client.Subscribe(kEndpoints, {"a", "b"});
  client.OnStreamOpened();
  Drain(client);
  while (rest.size() >= 2) {
    const size_t size = static_cast<uint8_t>(rest[0]) << 8 | static_cast<uint8_t>(rest[1]);
    const std::string_view message = rest.substr(2, size);
    rest.remove_prefix(2 + message.size());
    if (!client.OnMessage(message)) return;
    Drain(client);
    if ((choice & 4) == 0) continue;
    client.OnStreamClosed();
    client.OnStreamOpened();
    Drain(client);
  }
}

}  // namespace
}  // namespace tulle::xds

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  tulle::xds::Run(data[0], {reinterpret_cast<const char*>(data) + 1, size - 1});
  return 0;
}
