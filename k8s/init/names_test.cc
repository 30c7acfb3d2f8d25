#include "k8s/init/names.h"

#include <gtest/gtest.h>

namespace tulle::init {
namespace {

constexpr char kRange[] = "240.240.0.0/16";
constexpr char kResolver[] = "# by dhcp\nsearch example.org\nnameserver 10.0.0.2\n";
constexpr char kHosts[] = "127.0.0.1 localhost\n240.240.0.5\tweb web.default\n";

TEST(Names, WithServicesAndAResolverAllIsWell) {
  const Check check = CheckNames(kResolver, kHosts, kRange);
  EXPECT_EQ(check.outcome, Check::Outcome::kPassed);
  EXPECT_EQ(check.detail, "");
}

TEST(Names, WithoutServicesItSaysHowToWriteThem) {
  for (const char* hosts :
       {"", "127.0.0.1 localhost\n240.241.0.5 other\n", "# 240.240.0.5 web\n"}) {
    const Check check = CheckNames(kResolver, hosts, kRange);
    EXPECT_EQ(check.outcome, Check::Outcome::kSkipped);
    EXPECT_NE(check.detail.find("tullectl hosts --write /etc/hosts"), std::string::npos);
    EXPECT_EQ(check.detail.find("DNS server"), std::string::npos);
  }
}

TEST(Names, WithoutAResolverItSaysWhatAMemberNeeds) {
  for (const char* resolv_conf : {"", "search example.org\n", "# nameserver 10.0.0.2\n"}) {
    const Check check = CheckNames(resolv_conf, kHosts, kRange);
    EXPECT_EQ(check.outcome, Check::Outcome::kPassed);
    EXPECT_NE(check.detail.find("--control must be an address"), std::string::npos);
  }
}

}  // namespace
}  // namespace tulle::init
