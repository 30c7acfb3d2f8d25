#include "control-plane/dashboard/page.h"

#include "control-plane/dashboard/page_files.h"

namespace tulle::dashboard {
namespace {

constexpr std::string_view kText = "text/plain; charset=utf-8";

const PageFile* FindFile(std::string_view name) {
  if (name.empty()) name = "index.html";
  for (const PageFile& file : AllPageFiles()) {
    if (file.name == name) return &file;
  }
  return nullptr;
}

}  // namespace

bool IsPagePath(std::string_view path) {
  return path.starts_with(kPagePath) || path == kPagePath.substr(0, kPagePath.size() - 1);
}

PageReply AnswerPage(std::string_view method, std::string_view path, std::string_view known) {
  PageReply reply{200, "", kText, SecurityHeaders()};
  if (method != "GET" && method != "HEAD") {
    reply.status = 405;
    reply.body = "method not allowed: use GET\n";
    return reply;
  }
  if (path.size() < kPagePath.size()) {
    reply.status = 308;
    reply.headers.emplace_back("location", kPagePath);
    return reply;
  }
  const PageFile* file = FindFile(path.substr(kPagePath.size()));
  if (file == nullptr) {
    reply.status = 404;
    reply.body = "not found: the dashboard is at /dashboard/\n";
    return reply;
  }
  reply.headers.emplace_back("etag", file->tag);
  // Asked for each time, so that a new version of tulle-control has its own page.
  reply.headers.emplace_back("cache-control", "no-cache");
  if (known == file->tag) {
    reply.status = 304;
    return reply;
  }
  reply.media_type = MediaTypeOf(path);
  reply.body = file->content;
  return reply;
}

}  // namespace tulle::dashboard
