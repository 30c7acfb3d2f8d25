#include <fstream>

#include "control-plane/cli/tullectl_fixture.h"

namespace tulle::cli {
namespace {

TEST_F(Tullectl, AppliesShowsComparesAndDeletes) {
  EXPECT_EQ(Run({"get", "httproutes"}), 0);
  EXPECT_EQ(out, "");
  EXPECT_EQ(err, "No resources found in default namespace.\n");
  EXPECT_EQ(Run({"apply", "-f", Write("a.yaml", kStrict), "-f", "-"}, kRoute), 0) << err;
  EXPECT_EQ(out, "peerauthentication/all created\nhttproute/post created\n");
  EXPECT_EQ(Run({"apply", "-f", "-"}, kStrict), 0);
  EXPECT_EQ(out, "peerauthentication/all unchanged\n");
  EXPECT_EQ(Run({"get", "hr"}), 0);
  EXPECT_EQ(out,
            "NAME   TARGET         SUMMARY                 AGE\n"
            "post   Service/post   post-v1=90,post-v2=10   0s\n");
  EXPECT_EQ(Run({"get", "all", "-A"}), 0);
  EXPECT_EQ(out,
            "NAMESPACE   NAME                     TARGET         SUMMARY                 AGE\n"
            "default     httproute/post           Service/post   post-v1=90,post-v2=10   0s\n"
            "default     peerauthentication/all   Mesh           STRICT                  0s\n");
  EXPECT_EQ(Run({"get", "hr/post", "pa/all", "-o", "name"}), 0) << err;
  EXPECT_EQ(out, "httproute/post\npeerauthentication/all\n");
  EXPECT_EQ(Run({"diff", "-f", "-"}, kStrict), 0);
  EXPECT_EQ(out, "");
  std::string permissive = kStrict;
  permissive.replace(permissive.find("STRICT"), 6, "PERMISSIVE");
  EXPECT_EQ(Run({"diff", "-f", "-"}, permissive), 1);
  EXPECT_NE(out.find("\n-  mode: STRICT\n+  mode: PERMISSIVE\n"), std::string::npos) << out;
  EXPECT_EQ(Run({"delete", "peerauthentication", "all"}), 0);
  EXPECT_EQ(out, "peerauthentication/all deleted\n");
  EXPECT_EQ(Run({"delete", "pa", "all"}), 1);
  EXPECT_NE(err.find("hint: "), std::string::npos) << err;
  EXPECT_EQ(Run({"delete", "pa", "all", "--ignore-not-found"}), 0);
  EXPECT_EQ(Run({"delete", "-f", "-"}, kRoute), 0);
  EXPECT_EQ(out, "httproute/post deleted\n");
}

TEST_F(Tullectl, WhatIsDeletedTogetherIsOneChange) {
  const std::string both = std::string(kStrict) + "---\n" + kRoute;
  ASSERT_EQ(Run({"apply", "-f", "-"}, both), 0);
  EXPECT_EQ(Run({"delete", "-f", "-", "--dry-run"}, both), 0) << err;
  EXPECT_EQ(out, "peerauthentication/all deleted (dry run)\nhttproute/post deleted (dry run)\n");
  ASSERT_EQ(Run({"delete", "-f", "-"}, both), 0) << err;
  ASSERT_EQ(Run({"rollback"}), 0) << err;
  EXPECT_EQ(Run({"get", "all", "-o", "name"}), 0);
  EXPECT_EQ(out, "httproute/post\npeerauthentication/all\n");
  // Existing policies are deleted, and the others reported once.
  EXPECT_EQ(Run({"delete", "hr/post", "rp/none", "hr/other"}), 1);
  EXPECT_EQ(out, "httproute/post deleted\n");
  EXPECT_EQ(
      err,
      "error: not found: resiliencepolicy/none, httproute/other\n"
      "hint: list policies with `tullectl get resiliencepolicies`, `tullectl get httproutes`; "
      "--ignore-not-found ignores missing ones\n");
  EXPECT_EQ(Run({"delete", "hr,rp", "post", "--ignore-not-found"}), 0) << err;
  EXPECT_EQ(Run({"delete", "all", "post"}), 1);
  EXPECT_NE(err.find("hint: use KIND post or KIND/post"), std::string::npos) << err;
}

TEST_F(Tullectl, ApplyWarnsOfWhatHasNoEffect) {
  EXPECT_EQ(Run({"apply", "-f", "-"}, kStrict), 0);
  EXPECT_EQ(err, "");
  EXPECT_EQ(Run({"apply", "-f", "-"}, kRoute), 0);
  EXPECT_EQ(out, "httproute/post created\n");
  EXPECT_NE(err.find("warning: httproute/post spec.rules[0].backendRefs[0]: "
                     "Service default/post-v1 not found\n"),
            std::string::npos)
      << err;
  EXPECT_NE(err.find("Service default/post-v2 not found\nhint: "), std::string::npos) << err;
  EXPECT_EQ(err.find("parentRefs"), std::string::npos) << err;
}

TEST_F(Tullectl, HintsNameTheListThatHasIt) {
  EXPECT_EQ(Run({"get", "hr", "foo"}), 1);
  EXPECT_NE(err.find("`tullectl get httproutes`"), std::string::npos) << err;
  EXPECT_EQ(Run({"get", "ap", "foo", "-n", "shop"}), 1);
  EXPECT_NE(err.find("`tullectl get authorizationpolicies -n shop`"), std::string::npos) << err;
}

TEST_F(Tullectl, ADryRollbackSaysWhereItsDifferencesComeFrom) {
  ASSERT_EQ(Run({"apply", "-f", "-"}, kStrict), 0);
  std::string permissive = kStrict;
  permissive.replace(permissive.find("STRICT"), 6, "PERMISSIVE");
  const int64_t first = book_->revision();
  ASSERT_EQ(Run({"apply", "-f", "-"}, permissive), 0);
  ASSERT_EQ(Run({"rollback", "--to-revision", std::to_string(first), "--dry-run"}), 0) << err;
  EXPECT_NE(out.find("+++ peerauthentication/all (revision " + std::to_string(first) + ")\n"),
            std::string::npos)
      << out;
  ASSERT_EQ(Run({"rollback", "--dry-run"}), 0) << err;
  EXPECT_NE(out.find(" (before the last change)\n"), std::string::npos) << out;
}

TEST_F(Tullectl, WideSaysWhoAndWhen) {
  ASSERT_EQ(Run({"apply", "-f", "-"}, kStrict), 0);
  EXPECT_EQ(Run({"get", "pa", "-o", "wide"}), 0) << err;
  const std::string revision = std::to_string(book_->revision());
  EXPECT_EQ(out,
            "NAME   TARGET   SUMMARY   AGE   REVISION   CHANGED   BY\n"
            "all    Mesh     STRICT    0s    " +
                revision + "          0s ago    ann\n");
}

TEST_F(Tullectl, WhatGetWroteCanBeAppliedAgain) {
  ASSERT_EQ(Run({"apply", "-f", "-"}, std::string(kStrict) + "---\n" + kRoute), 0);
  ASSERT_EQ(Run({"get", "all", "-o", "yaml"}), 0);
  const std::string yaml = out;
  EXPECT_EQ(Run({"apply", "-f", "-"}, yaml), 0) << err << yaml;
  EXPECT_EQ(out, "httproute/post unchanged\npeerauthentication/all unchanged\n");
  ASSERT_EQ(Run({"get", "httproute", "post", "-o", "json"}), 0);
  EXPECT_EQ(Run({"apply", "-f", "-"}, out), 0) << err;
  EXPECT_EQ(out, "httproute/post unchanged\n");
  ASSERT_EQ(Run({"get", "all", "-o", "json"}), 0);
  const std::string list = out;
  EXPECT_NE(list.find("\"kind\": \"List\""), std::string::npos) << list;
  EXPECT_EQ(Run({"apply", "-f", "-"}, list), 0) << err << list;
  EXPECT_EQ(out, "httproute/post unchanged\npeerauthentication/all unchanged\n");
  EXPECT_EQ(Run({"validate", "-f", "-"}, list), 0) << err;
  EXPECT_EQ(Run({"delete", "-f", "-"}, list), 0) << err;
}

TEST_F(Tullectl, AnOldResourceVersionIsAConflict) {
  ASSERT_EQ(Run({"apply", "-f", "-"}, kRoute), 0) << err;
  ASSERT_EQ(Run({"get", "httproute", "post", "-o", "yaml"}), 0) << err;
  const std::string first = out;
  EXPECT_NE(first.find("resourceVersion"), std::string::npos) << first;
  std::string changed = kRoute;
  changed.replace(changed.find("90}"), 2, "80");
  ASSERT_EQ(Run({"apply", "-f", "-"}, changed), 0) << err;
  EXPECT_EQ(Run({"apply", "-f", "-"}, first), 1);
  EXPECT_NE(err.find("HTTPRoute default/post has changed since it was read"), std::string::npos)
      << err;
  EXPECT_NE(err.find("tullectl get httproutes post -o yaml"), std::string::npos) << err;
  // Read again, it is accepted, and so is a policy that was deleted since.
  ASSERT_EQ(Run({"get", "httproute", "post", "-o", "yaml"}), 0) << err;
  ASSERT_EQ(Run({"apply", "-f", "-"}, out), 0) << err;
  ASSERT_EQ(Run({"delete", "httproute", "post"}), 0) << err;
  EXPECT_EQ(Run({"apply", "-f", "-"}, first), 0) << err;
}

TEST_F(Tullectl, InvalidNamesAreRefused) {
  for (const char* bad : {"A B", "../x", "a.b"}) {
    EXPECT_EQ(Run({"get", "httproute", "-n", bad}), 1) << bad;
    EXPECT_EQ(err.find("error: invalid namespace \"" + std::string(bad) + "\"\nhint: use lower"), 0)
        << err;
    EXPECT_EQ(Run({"config", "set-context", "here", "-n", bad}), 1) << bad;
  }
  ASSERT_EQ(Run({"apply", "-f", "-"}, kRoute), 0) << err;
  EXPECT_EQ(Run({"get", "httproute", "-A", "post"}), 1);
  EXPECT_EQ(err,
            "error: a resource cannot be retrieved by name across all namespaces\n"
            "hint: use -n NAMESPACE\n");
  for (const char* bad : {"A B", "../x"}) {
    EXPECT_EQ(Run({"credential", "create", bad}), 1) << bad;
    EXPECT_EQ(err.find("error: name: invalid credential name \"" + std::string(bad)), 0) << err;
  }
  EXPECT_EQ(Run({"credential", "create", "Ann_2@example.org"}), 0) << err;
}

TEST_F(Tullectl, DocumentsWithoutANamespaceGoWhereTheCommandSays) {
  ASSERT_EQ(Run({"apply", "-n", "shop", "-f", "-"}, kRoute), 0) << err;
  EXPECT_EQ(out, "httproute/post created in namespace shop\n");
  EXPECT_EQ(Run({"diff", "-n", "shop", "-f", "-"}, kRoute), 0) << out;
  EXPECT_EQ(Run({"get", "hr", "-n", "shop", "-o", "name"}), 0);
  EXPECT_EQ(out, "httproute/post\n");
  ASSERT_EQ(Run({"config", "set-context", "here", "-n", "shop"}), 0) << err;
  EXPECT_EQ(Run({"delete", "-f", "-"}, kRoute), 0) << err;
  std::string elsewhere = kRoute;
  elsewhere.replace(elsewhere.find("{name: post}"), 12, "{name: post, namespace: other}");
  EXPECT_EQ(Run({"apply", "-n", "shop", "-f", "-"}, elsewhere), 1);
  EXPECT_NE(
      err.find("standard input:1: metadata.namespace: namespace other does not match -n shop"),
      std::string::npos)
      << err;
}

TEST_F(Tullectl, OneBadFileAppliesNothingAndIsNamed) {
  std::string bad = kStrict;
  bad.replace(bad.find("STRICT"), 6, "STRCIT");
  const std::string path = Write("bad.yaml", bad);
  const std::string good = Write("good.yaml", kRoute);
  EXPECT_EQ(Run({"apply", "-f", good, "-f", path}), 1);
  EXPECT_NE(err.find(path + ":4:33: spec.mode: "), std::string::npos) << err;
  EXPECT_NE(err.find("did you mean STRICT?"), std::string::npos) << err;
  EXPECT_EQ(Run({"get", "all"}), 0);
  EXPECT_EQ(out, "");
  EXPECT_EQ(Run({"diff", "-f", path}), 2);
  EXPECT_EQ(Run({"validate", "-f", path}), 1);
  EXPECT_NE(err.find(path + ":4:33: spec.mode: "), std::string::npos) << err;
  EXPECT_EQ(Run({"validate", "-f", good}), 0);
  EXPECT_EQ(out, "1 policy is valid\n");
}

TEST_F(Tullectl, ExplainDescribesKindsAndFields) {
  EXPECT_EQ(Run({"explain"}), 0) << err;
  EXPECT_NE(out.find("HTTPRoute"), std::string::npos) << out;
  EXPECT_EQ(Run({"explain", "rp.spec.timeouts"}), 0) << err;
  EXPECT_TRUE(
      out.starts_with("KIND:     ResiliencePolicy\nVERSION:  tulle.dev/v1alpha1\n\n"
                      "FIELD:    timeouts <object>\n\nDESCRIPTION:\n     Time limits.\n"))
      << out;
  EXPECT_NE(out.find("\n  connect  <duration, not 0s> default: 3s\n     Time to establish"),
            std::string::npos)
      << out;
  EXPECT_EQ(Run({"explain", "httproute.spec", "--recursive"}), 0) << err;
  EXPECT_NE(out.find("\n           type  <Exact, PathPrefix or RegularExpression> default: Path"),
            std::string::npos)
      << out;
  EXPECT_EQ(Run({"explain", "rp.spec.timeout.request"}), 1);
  EXPECT_NE(err.find("unknown field \"timeout\" of ResiliencePolicy\nhint: did you mean timeouts?"),
            std::string::npos)
      << err;
  EXPECT_EQ(Run({"explain", "rp..timeouts"}), 1);
  EXPECT_NE(err.find("unknown field \"\" of ResiliencePolicy"), std::string::npos) << err;
  EXPECT_EQ(Run({"explain", "rp.spec..request"}), 1);
  EXPECT_EQ(Run({"explain", "httprout"}), 1);
  EXPECT_NE(err.find("did you mean httproute?"), std::string::npos) << err;
}

}  // namespace
}  // namespace tulle::cli
