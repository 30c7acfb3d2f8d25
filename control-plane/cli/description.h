// How `tullectl describe` writes about one object: labelled lines, tables with a title, and at the
// end the problems that were found on the way. Owner: one run of the command. Thread: the only one.
// Order: Finish() last.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "control-plane/cli/session.h"
#include "control-plane/cli/table.h"
#include "control-plane/cli/traffic.h"

namespace tulle::cli {

class Description {
 public:
  explicit Description(Session& session) : session_(session) {}

  void AddLine(std::string label, const std::string& text);
  void AddTable(const std::string& title, const Table& table);
  void AddText(const std::string& text);
  // Calls of the last minute for which `concerns` is true. Failures become problems.
  absl::Status AddTraffic(const std::string& title,
                          const std::function<bool(const TrafficLink&)>& concerns);
  // Once each.
  void AddProblem(const std::string& problem);
  int Finish();

 private:
  void AddTrafficProblem(const TrafficLink& link, const std::string& errors);

  Session& session_;
  std::vector<std::string> problems_;
};

// What `tullectl check` has found wrong with single policies and proxies.
struct KnownProblems {
  std::map<std::string, std::vector<std::string>> of_policy;  // by "KIND NAMESPACE/NAME"
  std::map<std::string, std::vector<std::string>> of_proxy;   // by its node ID
};
absl::StatusOr<KnownProblems> ReadProblems(Session& session);

// "web.shop"; "unknown" without a name.
std::string NameText(const TrafficName& name);
// As a key of KnownProblems.
std::string KeyOf(const Json& policy);
// Policies as rows, each with whether it is in effect for these services, and the problems of each.
// `services`: NAME and namespace; a name may be empty, for a workload without a service.
void AddPolicies(const Json& policies, const std::vector<TrafficName>& services,
                 const KnownProblems& known, Description* description);

// describe_service.cc, describe_workload.cc
absl::StatusOr<int> DescribeService(Session& session, const std::string& name);
absl::StatusOr<int> DescribeWorkload(Session& session, const std::string& name);

}  // namespace tulle::cli
