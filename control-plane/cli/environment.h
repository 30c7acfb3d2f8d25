// What the commands need from the process: streams, variables, time and connections. Faked in
// tests. Owner: main; it outlives every command.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <istream>
#include <map>
#include <memory>
#include <ostream>
#include <string>

#include "absl/status/statusor.h"
#include "control-plane/cli/api_client.h"
#include "control-plane/cli/destination.h"
#include "control-plane/cli/kubernetes_api.h"

namespace tulle::cli {

// The dashboard for a browser on this host (page_door.h).
struct PageServing {
  uint16_t port = 0;  // of 127.0.0.1; 0: a free one
  std::function<absl::StatusOr<ApiReply>(const ApiCall& call)> forward = {};
  // Called once, with the link for the browser.
  std::function<void(const std::string& link)> on_ready = {};
};

struct Environment {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool has_colour = false;                            // a terminal that wants it
  std::map<std::string, std::string> variables = {};  // see kVariables of main.cc
  std::function<int64_t()> now = {};                  // seconds since the epoch
  std::function<void(std::chrono::milliseconds)> pause = {};
  std::function<std::unique_ptr<ApiClient>(const Destination&)> connect = {};
  // The API server of a cluster.
  std::function<std::unique_ptr<KubernetesApi>(const k8s::Login&)> enter = {};
  size_t width = 0;  // of the terminal that out is; 0: it is none
  // Serves a dashboard until the user ends it.
  std::function<absl::StatusOr<int>(const PageServing& serving)> serve_page = {};
};

}  // namespace tulle::cli
