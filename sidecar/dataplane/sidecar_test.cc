#include "sidecar/dataplane/sidecar.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "net/loop/uv/uv_loop.h"
#include "net/tls/tls_transports.h"
#include "sidecar/config/bootstrap.h"

namespace tulle::sidecar {
namespace {

struct Unwatched final : proxy::Observer {
  void OnRequestEnd(const proxy::Call&) override {}
  void OnRelayEnd(const proxy::TcpRelay&) override {}
};

// A port on which another program listens.
class OccupiedPort {
 public:
  OccupiedPort() : descriptor_(socket(AF_INET, SOCK_STREAM, 0)) {
    const SocketAddress any = SocketAddress::Loopback4(0);
    sockaddr_in found{};
    socklen_t size = sizeof found;
    EXPECT_EQ(bind(descriptor_, any.get(), any.length()), 0);
    EXPECT_EQ(listen(descriptor_, 1), 0);
    EXPECT_EQ(getsockname(descriptor_, reinterpret_cast<sockaddr*>(&found), &size), 0);
    number_ = ntohs(found.sin_port);
  }
  ~OccupiedPort() { Free(); }
  void Free() {
    if (descriptor_ >= 0) close(descriptor_);
    descriptor_ = -1;
  }
  int number() const { return number_; }

 private:
  int descriptor_;
  int number_ = 0;
};

class SidecarTest : public ::testing::Test {
 protected:
  SidecarTest() {
    Sidecar::Options options;
    options.new_worker = [this](int) {
      return std::make_unique<WorkerOnLoop>(*loop_, std::make_unique<Unwatched>());
    };
    sidecar_ = std::make_unique<Sidecar>(*loop_, tls::TlsTransports(), std::move(options));
    sidecar_->OnVersionInForce([this] { loop_->Stop(); });
  }

  // Until it is in force.
  void Load(const std::string& resources) {
    const auto bootstrap = config::ParseBootstrap("static_resources: {" + resources + "}", "f");
    ASSERT_TRUE(bootstrap.ok()) << bootstrap.status();
    const auto loaded = config::LoadStaticResources(*bootstrap, "f", sidecar_->loader());
    ASSERT_TRUE(loaded.ok()) << loaded;
    sidecar_->Publish();
    loop_->Run();
  }
  // As a control plane would, until it is in force.
  void Push(const std::string& name, int port) {
    const auto bootstrap =
        config::ParseBootstrap("static_resources: {listeners: [" + One(name, port) + "]}", "f");
    ASSERT_TRUE(bootstrap.ok()) << bootstrap.status();
    const absl::Status put =
        sidecar_->loader().Put(config::ResourceKind::kListener, name,
                               bootstrap->resources.at(0).bytes, config::Origin::kDynamic);
    ASSERT_TRUE(put.ok()) << put;
    sidecar_->Publish();
    loop_->Run();
  }
  static std::string Cluster(const std::string& name) {
    return absl::StrCat("clusters: [{name: ", name, ", load_assignment: {cluster_name: c}}]");
  }
  static std::string Listener(int port) { return "listeners: [" + One("l", port) + "]"; }
  static std::string One(const std::string& name, int port) {
    return absl::StrCat(
        "{name: ", name, ", address: {socket_address: {address: 127.0.0.1, port_value: ", port,
        "}}, filter_chains: [{filters: [{name: tcp, typed_config: {'@type': type.googleapis.com/"
        "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: l, cluster: "
        "a}}]}]}");
  }

  const std::unique_ptr<loop::Loop> loop_ = loop::NewUvLoop();
  std::unique_ptr<Sidecar> sidecar_;
};

TEST_F(SidecarTest, IsReadyOnceAllListenersAccept) {
  OccupiedPort port;
  EXPECT_FALSE(sidecar_->ready()) << "nothing is in force";
  Load(Cluster("a") + ", " + Listener(port.number()));
  EXPECT_NE(sidecar_->in_force(), nullptr);
  ASSERT_EQ(sidecar_->errors().size(), 1u);
  EXPECT_NE(sidecar_->errors()[0].ToText().find("listener l: cannot listen on 127.0.0.1"),
            std::string::npos);
  EXPECT_FALSE(sidecar_->ready());
  port.Free();
  Load(Cluster("b"));  // the next version tries again
  EXPECT_TRUE(sidecar_->errors().empty());
  EXPECT_TRUE(sidecar_->ready());
}

TEST_F(SidecarTest, AListenerIsTriedAgainWithoutANewVersion) {
  OccupiedPort port;
  Load(Cluster("a") + ", " + Listener(port.number()));
  EXPECT_FALSE(sidecar_->ready());
  port.Free();
  loop_->Run();
  EXPECT_TRUE(sidecar_->errors().empty());
  EXPECT_TRUE(sidecar_->ready());
}

TEST_F(SidecarTest, AListenerThatComesLaterDoesNotTakeAwayTheReadyState) {
  OccupiedPort port;
  Load(Cluster("a"));
  EXPECT_TRUE(sidecar_->ready()) << "a configuration without listeners";
  Push("early", 0);
  EXPECT_TRUE(sidecar_->ready());
  Push("late", port.number());
  ASSERT_EQ(sidecar_->errors().size(), 1u);
  EXPECT_EQ(sidecar_->errors()[0].listener, "late");
  EXPECT_TRUE(sidecar_->ready());
}

TEST_F(SidecarTest, TheErrorOfAChangedAddressOutlastsTheNextVersion) {
  OccupiedPort port;
  Load(Cluster("a"));
  Push("l", 0);
  Push("l", port.number());
  ASSERT_EQ(sidecar_->errors().size(), 1u);
  Load(Cluster("b"));
  ASSERT_EQ(sidecar_->errors().size(), 1u);
  EXPECT_TRUE(sidecar_->ready()) << "it still listens on the former address";
}

}  // namespace
}  // namespace tulle::sidecar
