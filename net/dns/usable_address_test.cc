#include "net/dns/usable_address.h"

#include <gtest/gtest.h>

#include <string>

namespace tulle::dns {
namespace {

// "-": refused.
std::string Usable(const std::string& literal) {
  const auto usable = UsableAddress(*SocketAddress::Parse(literal, 0));
  return usable ? usable->host() : "-";
}

TEST(UsableAddressTest, Fault73_ReservedAddressesAreRefused) {
  for (const char* literal : {"0.0.0.0", "0.1.2.3", "169.254.169.254", "224.0.0.1", "240.240.0.1",
                              "255.255.255.255", "::", "fe80::1", "febf::1", "ff02::1"}) {
    EXPECT_EQ(Usable(literal), "-") << literal;
  }
}

TEST(UsableAddressTest, Fault73_EmbeddedIpv4AddressesAreChecked) {
  for (const char* refused : {"169.254.169.254", "0.0.0.0", "224.0.0.1", "240.240.0.1"}) {
    EXPECT_EQ(Usable(std::string("::ffff:") + refused), "-") << refused;
    EXPECT_EQ(Usable(std::string("64:ff9b::") + refused), "-") << refused;
  }
  for (const char* form : {"::", "::ffff:0:"}) {
    EXPECT_EQ(Usable(std::string(form) + "169.254.169.254"), "-") << form;
    EXPECT_EQ(Usable(std::string(form) + "10.0.0.1"), "-") << form << ": out of use";
  }
}

TEST(UsableAddressTest, OthersStay) {
  for (const char* literal :
       {"10.0.0.1", "127.0.0.1", "169.253.0.1", "223.255.255.255", "::1", "2001:db8::1", "fd00::1",
        "fec0::1", "64:ff9b::a00:1", "64:ff9b:1:a00:0:100::"}) {
    EXPECT_EQ(Usable(literal), literal);
  }
  EXPECT_EQ(Usable("::ffff:10.0.0.1"), "10.0.0.1") << "as which it is dialled";
  EXPECT_EQ(UsableAddress(*SocketAddress::Parse("::ffff:10.0.0.1", 80))->ToString(), "10.0.0.1:80");
  EXPECT_FALSE(UsableAddress(SocketAddress()));
}

}  // namespace
}  // namespace tulle::dns
