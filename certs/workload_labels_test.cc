#include "certs/workload_labels.h"

#include <gtest/gtest.h>
#include <openssl/stack.h>

#include <string>

namespace tulle::certs {
namespace {

using Extensions = bssl::UniquePtr<STACK_OF(X509_EXTENSION)>;

Extensions With(std::string_view text, int times = 1) {
  Extensions all(sk_X509_EXTENSION_new_null());
  for (int i = 0; i < times; ++i) bssl::PushToStack(all.get(), MakeLabelsExtension(text));
  return all;
}

TEST(WorkloadLabels, AreReadAndWritten) {
  const WorkloadLabels labels = {{"version", "v2"}, {"app", "shop"}};
  EXPECT_EQ(TextOf(labels), "app=shop,version=v2");
  EXPECT_EQ(*ParseWorkloadLabels("app=shop,version=v2"), labels);
  EXPECT_TRUE(ParseWorkloadLabels("")->empty());
  EXPECT_EQ(TextOf({}), "");
  for (const std::string_view key : kWorkloadLabels) {
    EXPECT_TRUE(ParseWorkloadLabels(std::string(key) + "=" + std::string(63, 'x')).ok()) << key;
  }
}

TEST(WorkloadLabels, OtherTextsAreRefused) {
  for (const std::string& text :
       {std::string("app"), std::string("app="), std::string("app=a b"), std::string("team=a"),
        std::string("app=a,"), std::string("app=a,app=b"), std::string("app=a=b"),
        "app=" + std::string(64, 'x'), std::string("app=a\0", 6), std::string("APP=a")}) {
    EXPECT_EQ(ParseWorkloadLabels(text).status().code(), absl::StatusCode::kInvalidArgument)
        << text;
  }
  EXPECT_LT(ParseWorkloadLabels(std::string(1 << 16, 'x')).status().message().size(), 500U);
}

TEST(WorkloadLabels, TravelInAnExtension) {
  EXPECT_EQ(*LabelsTextIn(With("app=shop").get()), "app=shop");
  EXPECT_EQ(*LabelsTextIn(With("", 0).get()), "");
  EXPECT_EQ(*LabelsTextIn(nullptr), "");
  EXPECT_FALSE(LabelsTextIn(With("app=shop", 2).get()).ok());
}

TEST(WorkloadLabels, AMalformedExtensionIsRefused) {
  for (const std::string content : {"",
                                    "\x0c\x05"
                                    "app",
                                    "\x04\x01"
                                    "a",
                                    "\x0c\x01"
                                    "ab"}) {
    Extensions all = With("app=shop");
    bssl::UniquePtr<ASN1_OCTET_STRING> value(ASN1_OCTET_STRING_new());
    ASN1_OCTET_STRING_set(value.get(), reinterpret_cast<const uint8_t*>(content.data()),
                          static_cast<int>(content.size()));
    X509_EXTENSION_set_data(sk_X509_EXTENSION_value(all.get(), 0), value.get());
    EXPECT_FALSE(LabelsTextIn(all.get()).ok());
  }
}

}  // namespace
}  // namespace tulle::certs
