#include "net/http/head.h"

namespace tulle::http {

bool Head::is_grpc() const {
  constexpr std::string_view kGrpc = "application/grpc";
  const std::string_view type = headers.Get(HeaderId::kContentType);
  if (!type.starts_with(kGrpc)) return false;
  const std::string_view rest = type.substr(kGrpc.size());
  return rest.empty() || rest[0] == '+' || rest[0] == ';';
}

}  // namespace tulle::http
