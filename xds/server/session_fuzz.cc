// Requests of a hostile client, one after the other, each with a length of two bytes before it, to
// both kinds of session. The first byte chooses the session and whether the world changes
// meanwhile. What is sent is a response of the protocol, and sending comes to an end.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "envoy/service/discovery/v3/discovery.pb.h"
#include "xds/proto/type_urls.h"
#include "xds/server/session.h"

namespace tulle::xds {
namespace {

class Mesh final : public TableView {
 public:
  explicit Mesh(int version) {
    for (const std::string_view type : kTypesInOrder) {
      for (const char* name : {"a", "b"}) {
        auto resource = std::make_shared<Resource>();
        resource->version = std::to_string(version);
        tables_[std::string(type)][name] = std::move(resource);
      }
      if (version % 2 != 0) tables_[std::string(type)].erase("a");
    }
  }
  const ResourceTable* TableOf(std::string_view type_url) const override {
    const auto found = tables_.find(type_url);
    return found == tables_.end() ? nullptr : &found->second;
  }

 private:
  std::map<std::string, ResourceTable, std::less<>> tables_;
};

bool IsResponse(bool delta, const std::string& bytes) {
  if (delta) return envoy::service::discovery::v3::DeltaDiscoveryResponse().ParseFromString(bytes);
  return envoy::service::discovery::v3::DiscoveryResponse().ParseFromString(bytes);
}

// What is due now; a client that says nothing is not sent to for ever.
void Send(bool delta, Session& session, loop::Instant now) {
  constexpr int kPlenty = 100;
  for (int sent = 0;; ++sent) {
    const auto response = session.Next(now);
    if (!response) return;
    if (!IsResponse(delta, *response) || sent > kPlenty) std::abort();
  }
}

void Run(uint8_t choice, std::string_view rest) {
  const bool delta = (choice & 1) != 0;
  const auto session = delta ? NewDeltaSession() : NewStateSession();
  loop::Instant now{};
  int version = 0;
  while (rest.size() >= 2) {
    const size_t size = static_cast<uint8_t>(rest[0]) << 8 | static_cast<uint8_t>(rest[1]);
    const std::string_view request = rest.substr(2, size);
    rest.remove_prefix(2 + request.size());
    if (!session->OnRequest(request).ok()) return;
    if (version == 0 || (choice & 2) != 0) session->SetView(std::make_shared<Mesh>(++version));
    Send(delta, *session, now);
    now += std::chrono::seconds(choice >> 4);
    Send(delta, *session, now);
    (void)session->Deadline(now);
    for (const std::string_view type : session->RequestedTypes()) {
      session->ForEach(type, [](const HeldResource&) {});
    }
  }
}

}  // namespace
}  // namespace tulle::xds

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  tulle::xds::Run(data[0], {reinterpret_cast<const char*>(data) + 1, size - 1});
  return 0;
}
