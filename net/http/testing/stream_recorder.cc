#include "net/http/testing/stream_recorder.h"

#include <cassert>

namespace tulle::http {

std::string Describe(const HeaderMap& headers) {
  std::string text = "(";
  for (const Header& header : headers.all()) {
    if (text.size() > 1) text += ", ";
    text.append(header.name).append(": ").append(header.value);
  }
  return text + ")";
}

std::string Describe(const Head& head) {
  std::string text;
  if (head.status != 0) {
    text = std::to_string(head.status);
  } else {
    text.append(head.method).append(" ").append(head.path);
    if (!head.scheme.empty()) text.append(" scheme=").append(head.scheme);
    text.append(" host=").append(head.authority);
  }
  if (head.content_length >= 0) text += " length=" + std::to_string(head.content_length);
  if (head.expects_continue) text += " expects-continue";
  if (head.upgrade_wanted) text += " upgrade-wanted";
  if (!head.upgrade.empty()) text.append(" upgrade=").append(head.upgrade);
  return text + " " + Describe(head.headers);
}

void StreamRecorder::End() {
  assert(!ended_ && !failure_);
  ended_ = true;
  log_.push_back("end");
}

void StreamRecorder::OnInterim(Head& head) { log_.push_back("interim " + Describe(head)); }

void StreamRecorder::OnHeaders(Head& head, bool end) {
  assert(head_ == nullptr);
  head_ = &head;
  log_.push_back("headers " + Describe(head));
  if (end) End();
}

void StreamRecorder::OnData(Buffer& data, bool end) {
  assert(head_ != nullptr && !ended_);
  if (!data.empty()) log_.push_back("data " + std::to_string(data.size()));
  content_.Append(data);
  if (end) End();
}

void StreamRecorder::OnTrailers(HeaderMap& trailers) {
  log_.push_back("trailers " + Describe(trailers));
  End();
}

void StreamRecorder::OnReset(Failure failure) {
  assert(!failure_);
  failure_ = failure;
  log_.push_back("reset " + std::string(failure.facts().cause));
}

std::string StreamRecorder::Joined() const {
  std::string text;
  for (const std::string& line : log_) text += (text.empty() ? "" : "; ") + line;
  return text;
}

}  // namespace tulle::http
