#pragma once

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "certs/testing/fixtures.h"

// The golden bootstraps with real keys in place of their placeholders.
namespace tulle::config::testing {

inline std::string ReadGolden(const std::string& name) {
  std::ifstream stream("tests/golden/bootstrap/" + name);
  return {std::istreambuf_iterator<char>(stream), {}};
}

inline void ReplaceAll(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

class Keys {
 public:
  Keys() {
    Write("ca.crt", roots);
    Write("client.crt", client.ChainPem());
    Write("client.key", client.key.ToPem());
    Write("server.crt", server.ChainPem());
    Write("server.key", server.key.ToPem());
  }

  std::string Filled(std::string text) const {
    ReplaceAll(text, "@CERTS@", folder);
    ReplaceAll(text, "@LISTEN@", "15080");
    ReplaceAll(text, "@UPSTREAM@", "15081");
    for (const std::string& pem :
         {client.ChainPem(), client.key.ToPem(), server.ChainPem(), server.key.ToPem(), roots}) {
      std::string escaped = pem;
      ReplaceAll(escaped, "\n", "\\n");
      const size_t at = text.find("<PEM>");
      if (at == std::string::npos) break;
      text.replace(at, 5, escaped);
    }
    return text;
  }

  certs::testing::TestCa ca;
  certs::testing::TestIdentity client = ca.Workload("client");
  certs::testing::TestIdentity server = ca.Workload("server");
  std::string roots = ca.Bundle().ToPem();
  std::string folder = std::getenv("TEST_TMPDIR");

 private:
  void Write(const std::string& name, const std::string& content) const {
    std::ofstream(folder + "/" + name) << content;
  }
};

}  // namespace tulle::config::testing
