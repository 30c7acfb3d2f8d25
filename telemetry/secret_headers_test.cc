#include "telemetry/secret_headers.h"

#include <gtest/gtest.h>

namespace tulle::telemetry {
namespace {

TEST(SecretHeaders, AreKnownByTheirNames) {
  for (const char* name :
       {"authorization", "Authorization", "proxy-authorization", "cookie", "SET-COOKIE",
        "x-api-key", "x-amz-security-token", "X-Client-Secret", "x-password", "x-session-id"}) {
    EXPECT_TRUE(IsSecretHeader(name)) << name;
  }
  for (const char* name : {"accept", "content-type", "x-request-id", "traceparent", "x-user", ""}) {
    EXPECT_FALSE(IsSecretHeader(name)) << name;
  }
}

}  // namespace
}  // namespace tulle::telemetry
