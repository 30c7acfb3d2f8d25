#include "net/dns/ares_resolver.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "net/base/socket_address.h"
#include "net/loop/uv/uv_loop.h"

namespace tulle::dns {
namespace {

using std::chrono::seconds;

enum Type : uint16_t { kA = 1, kCname = 5, kAaaa = 28 };

std::string Number(uint32_t value, int bytes) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>(value >> (8 * i));
  return text;
}

std::string Labels(std::string_view name) {
  std::string text;
  while (!name.empty()) {
    const std::string_view label = name.substr(0, name.find('.'));
    text += static_cast<char>(label.size());
    text += label;
    name.remove_prefix(std::min(name.size(), label.size() + 1));
  }
  return text + '\0';
}

struct Record {
  std::string name;
  Type type;
  uint32_t ttl;
  std::string value;  // an address, or for a CNAME a name

  std::string Bytes() const {
    const auto address = SocketAddress::Parse(value, 0);
    const std::string data = type == kCname ? Labels(value) : std::string(address->ip_bytes());
    return Labels(name) + Number(type, 2) + Number(1, 2) + Number(ttl, 4) +
           Number(static_cast<uint32_t>(data.size()), 2) + data;
  }
};

// A DNS server that answers each question with the same records: those of the requested type, and
// the aliases.
class Server {
 public:
  // `on_question` runs on a thread of its own before each answer.
  explicit Server(
      std::vector<Record> records, const SocketAddress& at = SocketAddress::Loopback4(0),
      std::function<void()> on_question = [] {})
      : records_(std::move(records)),
        on_question_(std::move(on_question)),
        socket_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    EXPECT_EQ(bind(socket_, at.get(), at.length()), 0) << at.ToString();
    sockaddr_in own{};
    socklen_t length = sizeof own;
    getsockname(socket_, reinterpret_cast<sockaddr*>(&own), &length);
    address_ = SocketAddress::FromSockaddr(reinterpret_cast<const sockaddr*>(&own));
    thread_ = std::thread([this] { Run(); });
  }
  ~Server() {
    // Nothing in it: the end.
    sendto(socket_, "", 0, 0, address_.get(), address_.length());
    thread_.join();
    close(socket_);
  }
  const SocketAddress& address() const { return address_; }

 private:
  void Run() {
    while (true) {
      char bytes[512];
      sockaddr_in peer{};
      socklen_t length = sizeof peer;
      const ssize_t size =
          recvfrom(socket_, bytes, sizeof bytes, 0, reinterpret_cast<sockaddr*>(&peer), &length);
      if (size <= 0) return;
      on_question_();
      const std::string answer = AnswerTo(std::string(bytes, static_cast<size_t>(size)));
      sendto(socket_, answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&peer), length);
    }
  }
  std::string AnswerTo(const std::string& question) const {
    const size_t end = question.find('\0', 12) + 1;  // of the name
    const int type = question[end + 1];
    std::string body;
    uint32_t count = 0;
    for (const Record& record : records_) {
      if (record.type != kCname && record.type != type) continue;
      body += record.Bytes();
      ++count;
    }
    return question.substr(0, 2) + Number(0x8180, 2) + Number(1, 2) + Number(count, 2) +
           Number(0, 4) + question.substr(12, end + 4 - 12) + body;
  }

  const std::vector<Record> records_;
  const std::function<void()> on_question_;
  const int socket_;
  SocketAddress address_;
  std::thread thread_;
};

class AresResolverTest : public testing::Test {
 protected:
  void Open(const AresOptions& options) {
    auto made = NewAresResolver(*loop_, options);
    ASSERT_TRUE(made.ok()) << made.status();
    resolver_ = *std::move(made);
  }
  void OpenAt(const Server& server) { Open({.servers = server.address().ToString()}); }
  Answer Ask(Family family = Family::kAuto) {
    Answer answer;
    const auto question = resolver_->Ask("db.example.test", family, [&](Answer one) {
      answer = std::move(one);
      loop_->Stop();
    });
    loop_->Run();
    return answer;
  }
  static std::vector<std::string> Hosts(const Answer& answer) {
    std::vector<std::string> hosts;
    for (const SocketAddress& address : answer.addresses) hosts.push_back(address.host());
    return hosts;
  }

  const std::unique_ptr<loop::Loop> loop_ = loop::NewUvLoop();
  std::unique_ptr<Resolver> resolver_;
};

using Strings = std::vector<std::string>;

TEST_F(AresResolverTest, BothFamiliesAreAskedFor) {
  Server server({{"db.example.test", kA, 60, "10.0.0.2"},
                 {"db.example.test", kA, 30, "10.0.0.1"},
                 {"db.example.test", kAaaa, 90, "2001:db8::1"}});
  OpenAt(server);
  EXPECT_EQ(Hosts(Ask()), (Strings{"2001:db8::1"}));
  EXPECT_EQ(Hosts(Ask(Family::kV4Preferred)), (Strings{"10.0.0.1", "10.0.0.2"}));
  const Answer all = Ask(Family::kAll);
  EXPECT_EQ(Hosts(all), (Strings{"10.0.0.1", "10.0.0.2", "2001:db8::1"}));
  EXPECT_EQ(all.ttl, seconds(30));
}

TEST_F(AresResolverTest, Fault73_Ipv4InAnAaaaRecordIsCheckedAsIpv4) {
  Server server({{"db.example.test", kAaaa, 60, "::ffff:169.254.169.254"},
                 {"db.example.test", kAaaa, 60, "::ffff:0.0.0.0"},
                 {"db.example.test", kAaaa, 60, "64:ff9b::169.254.169.254"},
                 {"db.example.test", kAaaa, 60, "::ffff:10.0.0.1"}});
  OpenAt(server);
  for (Family family : {Family::kAuto, Family::kV4Preferred, Family::kAll}) {
    EXPECT_EQ(Hosts(Ask(family)), (Strings{"10.0.0.1"}));
  }
  const Answer none = Ask(Family::kV6Only);
  EXPECT_EQ(Hosts(none), Strings());
  EXPECT_NE(none.error.find("no usable address"), std::string::npos) << none.error;
}

TEST_F(AresResolverTest, Fault73_TheTtlOfAnAliasLimitsTheAnswer) {
  Server server({{"db.example.test", kCname, 60, "db.west.test"},
                 {"db.west.test", kCname, 5, "host-a.test"},
                 {"host-a.test", kA, 3600, "10.0.0.1"},
                 {"host-a.test", kAaaa, 7200, "2001:db8::1"}});
  OpenAt(server);
  for (Family family : {Family::kV4Only, Family::kV6Only, Family::kAll}) {
    const Answer answer = Ask(family);
    EXPECT_FALSE(answer.addresses.empty());
    EXPECT_EQ(answer.ttl, seconds(5));
  }
}

// Holds back the answers of a server, for a test that needs a late one.
class Gate {
 public:
  void Close() { Set(is_closed_, true); }
  void Open() { Set(is_closed_, false); }
  void WaitForQuestion() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return has_come_; });
  }
  // For the server.
  void Pass() {
    Set(has_come_, true);
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return !is_closed_; });
  }

 private:
  void Set(bool& flag, bool value) {
    const std::lock_guard<std::mutex> lock(mutex_);
    flag = value;
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_closed_ = false;
  bool has_come_ = false;
};

// resolv.conf names servers without a port, so ours use the same port on two addresses.
class ResolvConfTest : public AresResolverTest {
 protected:
  ResolvConfTest() {
    std::string pattern = testing::TempDir() + "/resolv-XXXXXX";
    directory_ = mkdtemp(pattern.data());
  }
  ~ResolvConfTest() override {
    gate_.Open();  // also open if an assertion left it closed
    std::filesystem::remove_all(directory_);
  }

  std::string path() const { return directory_ + "/resolv.conf"; }
  // As DHCP clients do: replaces the file.
  void Name(const Server& server) const {
    std::ofstream(path() + ".new") << "nameserver " << server.address().host() << "\n";
    std::filesystem::rename(path() + ".new", path());
  }
  void OpenByFile(const std::string& servers = "") {
    Open({.servers = servers, .resolv_conf = path(), .port = first_.address().port()});
  }
  static std::vector<Record> Leads(const std::string& address) {
    return {{"db.example.test", kA, 60, address}};
  }

  std::string directory_;
  Gate gate_;  // of the first
  Server first_{Leads("10.0.0.1"), SocketAddress::Loopback4(0), [this] { gate_.Pass(); }};
  Server second_{Leads("10.0.0.2"), *SocketAddress::Parse("127.0.0.2", first_.address().port())};
};

TEST_F(ResolvConfTest, ChangedServersAreUsed) {
  Name(first_);
  OpenByFile();
  EXPECT_EQ(Hosts(Ask()), (Strings{"10.0.0.1"}));
  Name(second_);
  EXPECT_EQ(Hosts(Ask()), (Strings{"10.0.0.2"}));
  Name(first_);
  EXPECT_EQ(Hosts(Ask()), (Strings{"10.0.0.1"}));
}

TEST_F(ResolvConfTest, ServersThatAppearLaterAreUsed) {
  OpenByFile();
  Name(second_);
  EXPECT_EQ(Hosts(Ask()), (Strings{"10.0.0.2"}));
}

TEST_F(ResolvConfTest, GivenServersStay) {
  OpenByFile(first_.address().ToString());
  Name(second_);
  EXPECT_EQ(Hosts(Ask()), (Strings{"10.0.0.1"}));
}

TEST_F(ResolvConfTest, PendingQuestionsStayWithTheirServer) {
  Name(first_);
  gate_.Close();
  OpenByFile();
  Answer late;
  const auto question = resolver_->Ask("db.example.test", Family::kV4Only, [&](Answer answer) {
    late = std::move(answer);
    loop_->Stop();
  });
  gate_.WaitForQuestion();
  Name(second_);
  ASSERT_EQ(Hosts(Ask()), (Strings{"10.0.0.2"}));
  EXPECT_TRUE(late.addresses.empty());
  gate_.Open();
  loop_->Run();
  EXPECT_EQ(Hosts(late), (Strings{"10.0.0.1"}));
  EXPECT_EQ(Hosts(Ask()), (Strings{"10.0.0.2"})) << "the former channels are gone";
}

TEST_F(ResolvConfTest, TheResolverMayEndWithAPendingQuestion) {
  Name(first_);
  gate_.Close();
  OpenByFile();
  const auto question = resolver_->Ask("db.example.test", Family::kAuto,
                                       [](Answer) { ADD_FAILURE() << "no answer expected"; });
  gate_.WaitForQuestion();
  Name(second_);
  ASSERT_EQ(Hosts(Ask()), (Strings{"10.0.0.2"}));
  resolver_.reset();
  gate_.Open();
}

}  // namespace
}  // namespace tulle::dns
