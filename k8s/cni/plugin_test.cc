#include "k8s/cni/plugin.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>

namespace tulle::cni {
namespace {

using Json = nlohmann::json;

constexpr char kNetwork[] = "/run/netns/cni-1";

// What the plugin did in which network namespace.
struct Recorder {
  std::optional<init::Options> redirected;
  int checks = 0;
  absl::Status result;

  PodNetwork network() {
    return {[this](const std::string& path, const init::Options& options) {
              EXPECT_EQ(path, kNetwork);
              redirected = options;
              return result;
            },
            [this](const std::string&, const init::Options&) {
              ++checks;
              return result;
            }};
  }
};

Json Configuration(const Json& annotations) {
  return {{"cniVersion", "1.0.0"},
          {"name", "pods"},
          {"type", "tulle-cni"},
          {"runtimeConfig", {{"io.kubernetes.cri.pod-annotations", annotations}}},
          {"prevResult", {{"cniVersion", "1.0.0"}, {"ips", {{{"address", "10.0.0.2/24"}}}}}}};
}

const Json kMeshed = {{"tulle.dev/redirection", "cni"},
                      {"tulle.dev/skip-inbound-ports", "22, 9100"},
                      {"tulle.dev/skip-outbound-cidrs", "10.0.0.0/8"},
                      {"example.org/other", "1"}};

TEST(Plugin, RedirectsAMarkedPodAsItsAnnotationsSay) {
  Recorder recorder;
  const Json configuration = Configuration(kMeshed);
  const Answer answer = Respond({"ADD", kNetwork}, configuration.dump(), recorder.network());
  EXPECT_EQ(answer.exit_code, 0) << answer.output;
  EXPECT_EQ(Json::parse(answer.output), configuration["prevResult"]);
  ASSERT_TRUE(recorder.redirected);
  const init::Redirection& redirection = recorder.redirected->redirection;
  EXPECT_EQ(redirection.exclude_inbound_ports, (std::vector<uint16_t>{22, 9100}));
  EXPECT_EQ(redirection.exclude_outbound_ranges, (std::vector<std::string>{"10.0.0.0/8"}));
  EXPECT_EQ(redirection.uids, (std::vector<uint32_t>{1337}));
}

TEST(Plugin, LeavesOtherPodsAlone) {
  Json without_runtime = Configuration(kMeshed);
  without_runtime.erase("runtimeConfig");
  for (const Json& configuration :
       {Configuration(Json::object()), Configuration({{"tulle.dev/skip-inbound-ports", "x"}}),
        without_runtime}) {
    Recorder recorder;
    const Answer answer = Respond({"ADD", kNetwork}, configuration.dump(), recorder.network());
    EXPECT_EQ(answer.exit_code, 0) << answer.output;
    EXPECT_EQ(Json::parse(answer.output), configuration["prevResult"]);
    EXPECT_FALSE(recorder.redirected);
  }
}

TEST(Plugin, PodsThatAreLeftAloneStartWithAnyVersion) {
  Json configuration = Configuration({{"example.org/other", "1"}});
  configuration["cniVersion"] = "9.0.0";
  Recorder recorder;
  const Answer answer = Respond({"ADD", kNetwork}, configuration.dump(), recorder.network());
  EXPECT_EQ(answer.exit_code, 0) << answer.output;
  EXPECT_EQ(Json::parse(answer.output), configuration["prevResult"]);
}

// As many as the API server allows. It costs what it must: the injection's parser would refuse it.
TEST(Plugin, ManyAnnotationsOfOthersAreIgnored) {
  Json annotations = kMeshed;
  for (int i = 0; i < 20'000; ++i) annotations["tulle.dev/x" + std::to_string(i)] = "";
  Recorder recorder;
  const Answer answer =
      Respond({"ADD", kNetwork}, Configuration(annotations).dump(), recorder.network());
  EXPECT_EQ(answer.exit_code, 0) << answer.output;
  EXPECT_TRUE(recorder.redirected);
}

// inet_pton() ends at a NUL, iptables-restore reads on.
TEST(Plugin, ANulInAnAnnotationIsRefused) {
  const std::string rules("0.0.0.0\0\n-F TULLE_INBOUND\n#", 27);
  for (const std::string& range : {rules, rules + ",10.0.0.0/8", "10.0.0.0/8," + rules}) {
    Json annotations = kMeshed;
    annotations["tulle.dev/skip-outbound-cidrs"] = range;
    Recorder recorder;
    const Answer answer =
        Respond({"ADD", kNetwork}, Configuration(annotations).dump(), recorder.network());
    EXPECT_EQ(answer.exit_code, 1) << answer.output;
    EXPECT_FALSE(recorder.redirected);
  }
}

TEST(Plugin, AFailureIsAnErrorOfTheSpecification) {
  Recorder recorder;
  recorder.result = absl::NotFoundError("iptables is not installed");
  const Answer answer =
      Respond({"ADD", kNetwork}, Configuration(kMeshed).dump(), recorder.network());
  EXPECT_EQ(answer.exit_code, 1);
  const Json error = Json::parse(answer.output);
  EXPECT_EQ(error["cniVersion"], "1.0.0");
  EXPECT_EQ(error["code"], 100);
  EXPECT_EQ(error["msg"],
            "tulle-cni: the connections of this pod cannot be redirected to its sidecar: iptables "
            "is not installed");
}

int CodeOf(const Call& call, const std::string& input) {
  Recorder recorder;
  const Answer answer = Respond(call, input, recorder.network());
  EXPECT_FALSE(recorder.redirected) << input;
  EXPECT_EQ(answer.exit_code, 1) << input;
  return Json::parse(answer.output)["code"];
}

TEST(Plugin, RefusesWhatItCannotDo) {
  const Call add = {"ADD", kNetwork};
  EXPECT_EQ(CodeOf(add, ""), 6);
  EXPECT_EQ(CodeOf(add, "[]"), 6);
  Json configuration = Configuration(kMeshed);
  configuration["cniVersion"] = "9.0.0";
  EXPECT_EQ(CodeOf(add, configuration.dump()), 1);
  configuration = Configuration(kMeshed);
  configuration.erase("prevResult");
  EXPECT_EQ(CodeOf(add, configuration.dump()), 7);
  EXPECT_EQ(CodeOf({"ADD", ""}, Configuration(kMeshed).dump()), 4);
  EXPECT_EQ(CodeOf({"FROB", kNetwork}, Configuration(kMeshed).dump()), 4);
  for (const char* name : {"tulle.dev/redirection", "tulle.dev/skip-inbound-ports"}) {
    configuration = Configuration(kMeshed);
    configuration["runtimeConfig"]["io.kubernetes.cri.pod-annotations"][name] = "--proxy-uid=0";
    EXPECT_EQ(CodeOf(add, configuration.dump()), 7);
  }
}

TEST(Plugin, ChecksWithoutAResult) {
  Recorder recorder;
  const std::string configuration = Configuration(kMeshed).dump();
  EXPECT_EQ(Respond({"CHECK", kNetwork}, configuration, recorder.network()).output, "");
  EXPECT_EQ(recorder.checks, 1);
  recorder.result = absl::NotFoundError("no rules");
  EXPECT_EQ(Respond({"CHECK", kNetwork}, configuration, recorder.network()).exit_code, 1);
}

TEST(Plugin, DeletionNeedsNothing) {
  Recorder recorder;
  for (const char* command : {"DEL", "GC", "STATUS"}) {
    const Answer answer = Respond({command, ""}, "", recorder.network());
    EXPECT_EQ(answer.exit_code, 0);
    EXPECT_EQ(answer.output, "");
  }
}

TEST(Plugin, NamesItsVersions) {
  const Answer answer = Respond({"VERSION", ""}, R"({"cniVersion": "0.4.0"})", {});
  const Json versions = Json::parse(answer.output);
  EXPECT_EQ(versions["cniVersion"], "0.4.0");
  EXPECT_EQ(versions["supportedVersions"],
            Json::array({"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"}));
}

}  // namespace
}  // namespace tulle::cni
