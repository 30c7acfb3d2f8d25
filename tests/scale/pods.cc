// Imitates the sidecars of many pods, for tests/k8s/scale.py:  pods PLAN
//
// The plan is JSON: {"control": "127.0.0.1:15012", "roots": FILE, "directory": FOLDER, "watch":
// name of an endpoint resource, "pods": [{"uid": UID, "token": FILE, "listeners":
// ["ADDRESS_PORT"]}]}. Once all have joined and hold what they use, it prints "served". For each
// line "NUMBER PROXIES" on stdin it waits until so many have acknowledged the endpoint with this
// number (witness.h), and prints when the last did, in seconds of the monotonic clock. Ends with
// stdin.
#include <sys/stat.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "net/base/socket_address.h"
#include "tests/scale/crew.h"
#include "tests/scale/witness.h"

namespace tulle::scale {
namespace {

using Json = nlohmann::json;

constexpr size_t kCrewSize = 500;
constexpr size_t kJoining = 100;  // at the same time
constexpr std::chrono::milliseconds kLookEvery{1};
constexpr std::chrono::seconds kPatience{120};

template <typename Condition>
bool Await(Condition condition) {
  const auto end = Clock::now() + kPatience;
  while (!condition()) {
    if (Clock::now() > end) return false;
    std::this_thread::sleep_for(kLookEvery);
  }
  return true;
}

SidecarPlan PlanOf(const Json& all, size_t number) {
  SidecarPlan plan;
  plan.number = static_cast<int>(number);
  plan.service = "pod";
  const std::string control = all["control"];
  const size_t colon = control.rfind(':');
  plan.control = *SocketAddress::Parse(control.substr(0, colon),
                                       static_cast<uint16_t>(std::stoi(control.substr(colon + 1))));
  plan.token_file = all["pods"][number]["token"];
  plan.roots_file = all["roots"];
  plan.pod_uid = all["pods"][number]["uid"];
  plan.state_directory = absl::StrCat(all["directory"].get<std::string>(), "/", number);
  mkdir(plan.state_directory.c_str(), 0700);
  return plan;
}

int Fail(Witness& witness, const char* what) {
  std::fprintf(stderr, "pods: %s: %zu have joined, %zu hold what they use\n", what, witness.ready(),
               witness.served());
  for (const std::string& error : witness.errors()) std::fprintf(stderr, "%s\n", error.c_str());
  return 1;
}

int Run(const Json& all) {
  Witness witness;
  const size_t count = all["pods"].size();
  std::vector<std::unique_ptr<Crew>> crews;
  for (size_t begun = 0; begun < count; ++begun) {
    if (begun % kCrewSize == 0) crews.push_back(std::make_unique<Crew>(witness));
    if (!Await([&] { return begun < witness.ready() + kJoining; })) break;
    crews.back()->Add(PlanOf(all, begun));
  }
  if (!Await([&] { return witness.ready() == count; })) return Fail(witness, "not all have joined");
  for (size_t i = 0; i < count; ++i) {
    crews[i / kCrewSize]->Use(i % kCrewSize, all["pods"][i]["listeners"]);
  }
  if (!Await([&] { return witness.served() == count; })) return Fail(witness, "not all are served");
  witness.WatchMover(all["watch"].get<std::string>());
  std::cout << "served" << std::endl;
  int number = 0;
  size_t proxies = 0;
  while (std::cin >> number >> proxies) {
    std::optional<Clock::time_point> at;
    if (!Await([&] { return (at = witness.AllSaw(number, proxies)).has_value(); }))
      return Fail(witness, "a change did not arrive");
    std::cout << std::chrono::duration<double>(at->time_since_epoch()).count() << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace tulle::scale

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  std::signal(SIGPIPE, SIG_IGN);
  std::cout.precision(17);
  std::ifstream file(argv[1]);
  return tulle::scale::Run(nlohmann::json::parse(file));
}
