#include "control-plane/ca/evictions.h"

#include <gtest/gtest.h>

#include <string>

namespace tulle::ca {
namespace {

constexpr char kPost[] = "spiffe://cluster.local/ns/shop/sa/post";
constexpr char kWeb[] = "spiffe://cluster.local/ns/shop/sa/web";

TEST(Evictions, AreReadAsTheyWereWritten) {
  Evictions evictions;
  EXPECT_TRUE(Evictions::Parse("")->empty());
  evictions.Evict(kPost, 100, 200);
  evictions.AddCertificate(kPost, "0a", 150);
  evictions.Evict(kWeb, 110, 210);
  const auto read = Evictions::Parse(evictions.ToJson());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, evictions);
  EXPECT_EQ(read->certificates(), 1u);
  for (const char* bad : {"x", "[1]", "{\"a\":1}", "{\"a\":{\"at\":1}}"})
    EXPECT_FALSE(Evictions::Parse(bad).ok()) << bad;
}

TEST(Evictions, WhatWasIssuedBeforeIsRevokedWithoutItsNumber) {
  Evictions evictions;
  EXPECT_TRUE(evictions.Evict(kPost, 100, 200));
  EXPECT_FALSE(evictions.Evict(kPost, 90, 190)) << "it is known already";
  EXPECT_TRUE(evictions.Covers(kPost, 99));
  EXPECT_FALSE(evictions.Covers(kPost, 100));
  EXPECT_FALSE(evictions.Covers(kWeb, 99));
}

TEST(Evictions, EndWithTheCertificates) {
  Evictions evictions;
  evictions.Evict(kPost, 100, 200);
  evictions.AddCertificate(kPost, "0a", 150);
  evictions.AddCertificate(kPost, "0b", 220);
  evictions.Advance(200);
  EXPECT_EQ(evictions.certificates(), 1u);
  EXPECT_TRUE(evictions.Has(kPost));
  evictions.Advance(220);
  EXPECT_TRUE(evictions.empty());
}

TEST(Evictions, OneIsWithinAnotherIfItAddsNothing) {
  Evictions ours;
  Evictions theirs;
  EXPECT_TRUE(ours.IsWithin(theirs));
  ours.Evict(kPost, 100, 200);
  EXPECT_FALSE(ours.IsWithin(theirs));
  theirs.Evict(kPost, 100, 200);
  theirs.AddCertificate(kPost, "0a", 150);
  EXPECT_TRUE(ours.IsWithin(theirs));
  ours.AddCertificate(kPost, "0b", 150);
  EXPECT_FALSE(ours.IsWithin(theirs));
}

TEST(Evictions, HaveALimitAndSayWhenItIsReached) {
  Evictions evictions;
  EXPECT_FALSE(evictions.AddCertificate(kPost, "0a", 150)) << "not evicted";
  evictions.Evict(kPost, 100, 200);
  const std::string serial(32, '0');
  for (size_t i = 0; i < Evictions::kMostCertificates; ++i)
    ASSERT_TRUE(
        evictions.AddCertificate(kPost, serial + std::to_string(100'000 + i), 1'800'000'000));
  EXPECT_FALSE(evictions.AddCertificate(kPost, "0b", 150));
  EXPECT_TRUE(evictions.AddCertificate(kPost, serial + "100000", 1)) << "it is known";
  // More identities can still be evicted, without serial numbers.
  const std::string name = std::string(kPost) + std::string(100, 'x');
  for (size_t i = 1; i < Evictions::kMostIdentities; ++i) {
    ASSERT_TRUE(evictions.HasRoomFor(name + std::to_string(i)));
    evictions.Evict(name + std::to_string(i), 1'700'000'000, 1'800'000'000);
  }
  EXPECT_FALSE(evictions.HasRoomFor("another"));
  EXPECT_TRUE(evictions.HasRoomFor(kPost)) << "again";
  EXPECT_LT(evictions.ToJson().size(), 900'000u) << "a Secret has 1 MiB";
}

}  // namespace
}  // namespace tulle::ca
