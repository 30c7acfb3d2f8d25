// Both ends of discovery as state machines: no wire, no clock.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "envoy/service/discovery/v3/discovery.pb.h"
#include "net/loop/loop.h"
#include "tests/xds/world.h"
#include "xds/client/delta_client.h"
#include "xds/proto/type_urls.h"
#include "xds/server/session.h"

namespace tulle::xds {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;

// Keeps what it accepts.
class FakeTarget final : public UpdateTarget {
 public:
  std::vector<Rejection> OnUpdate(const Update& update) override {
    std::vector<Rejection> rejections;
    for (const ReceivedResource& changed : update.resources) {
      ++received;
      log.push_back(std::string(ShortName(update.type_url)) + "+" + changed.name);
      if (bad.contains(changed.name + "@" + changed.version)) {
        rejections.push_back({changed.name, "bad"});
      } else {
        held[update.type_url][changed.name] = changed.version;
      }
    }
    for (const std::string& name : update.removed) {
      log.push_back(std::string(ShortName(update.type_url)) + "-" + name);
      held[update.type_url].erase(name);
    }
    return rejections;
  }
  static std::string_view ShortName(std::string_view type_url) {
    return type_url.substr(type_url.rfind('.') + 1);
  }

  std::map<std::string, std::map<std::string, std::string>> held;
  std::set<std::string> bad;  // "name@version"
  std::vector<std::string> log;
  int received = 0;
};

inline std::string Node() {
  DeltaDiscoveryRequest request;
  request.mutable_node()->set_id("node-1");
  return request.node().SerializeAsString();
}

class DiscoveryTest : public ::testing::Test {
 protected:
  DiscoveryTest() { client_.OnStreamOpened(); }

  // Until neither end has anything to say; returns the messages exchanged.
  int Run(int most = 1000) {
    int messages = 0;
    for (bool moved = true; moved && messages < most;) {
      moved = false;
      for (const DeltaClient::Outgoing& request : client_.TakeOutgoing()) {
        requests_.emplace_back().ParseFromString(request.bytes);
        EXPECT_TRUE(server_->OnRequest(request.bytes).ok());
        if (messages == 0 || server_view_ == nullptr) SetView();
        moved = true;
        ++messages;
      }
      while (auto response = server_->Next(now_)) {
        responses_.emplace_back().ParseFromString(*response);
        EXPECT_TRUE(client_.OnMessage(*response));
        moved = true;
        ++messages;
      }
    }
    return messages;
  }
  void SetView() {
    server_view_ = world_.Now();
    server_->SetView(server_view_);
  }
  // Wants exactly these by name.
  void Want(std::string_view type, std::set<std::string> names) {
    client_.Subscribe(type, std::move(names));
  }
  void Reconnect() {
    client_.OnStreamClosed();
    server_ = NewDeltaSession();
    server_view_ = nullptr;
    client_.OnStreamOpened();
  }
  void ExpectEqual(std::string_view type) {
    std::map<std::string, std::string> wanted;
    for (const auto& [name, resource] : world_.Table(type)) wanted[name] = resource->version;
    EXPECT_EQ(target_.held[std::string(type)], wanted) << type;
  }

  World world_;
  FakeTarget target_;
  DeltaClient client_{Node(), target_};
  std::unique_ptr<Session> server_ = NewDeltaSession();
  std::shared_ptr<const View> server_view_;
  loop::Instant now_{std::chrono::hours(1)};
  std::vector<DeltaDiscoveryRequest> requests_;
  std::vector<DeltaDiscoveryResponse> responses_;
};

}  // namespace tulle::xds
