#include "net/http/head.h"

namespace tulle::http {

bool Head::is_grpc() const {
  constexpr std::string_view kGrpc = "application/grpc";
  const std::string_view type = headers.Get(HeaderId::kContentType);
  if (!type.starts_with(kGrpc)) return false;
  const std::string_view rest = type.substr(kGrpc.size());
  return rest.empty() || rest[0] == '+' || rest[0] == ';';
}

Head* CopyHead(const Head& from, Arena& arena) {
  Head* head = arena.New<Head>(arena);
  head->method = arena.Copy(from.method);
  head->scheme = arena.Copy(from.scheme);
  head->authority = arena.Copy(from.authority);
  head->path = arena.Copy(from.path);
  head->status = from.status;
  head->version = from.version;
  head->content_length = from.content_length;
  for (const Header& header : from.headers.all())
    head->headers.Add(header.id, arena.Copy(header.name), arena.Copy(header.value));
  return head;
}

}  // namespace tulle::http
