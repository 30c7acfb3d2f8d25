// What the commands need from the process: streams, variables, time and connections. Faked in
// tests. Owner: main; it outlives every command.
#pragma once

#include <cstdint>
#include <functional>
#include <istream>
#include <map>
#include <memory>
#include <ostream>
#include <string>

#include "control-plane/cli/api_client.h"
#include "control-plane/cli/destination.h"

namespace tulle::cli {

struct Environment {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool has_colour = false;                            // a terminal that wants it
  std::map<std::string, std::string> variables = {};  // HOME, XDG_CONFIG_HOME, TULLECTL_CONFIG
  std::function<int64_t()> now = {};                  // seconds since the epoch
  std::function<void(int64_t seconds)> pause = {};
  std::function<std::unique_ptr<ApiClient>(const Destination&)> connect = {};
  size_t width = 0;  // of the terminal that out is; 0: it is none
};

}  // namespace tulle::cli
