// Who may use the dashboard that tullectl serves, and for what: the browser that was given the
// link, to look. Whatever else runs in that browser, and other users of this host, may not. Pure.
// Owner: the page's door. Thread: its loop's. Times in seconds since the epoch.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "certs/private_key.h"
#include "control-plane/api/api.h"

namespace tulle::cli {

class PageLogin {
 public:
  static constexpr int64_t kCodeSeconds = 60;
  static constexpr int64_t kSessionSeconds = 8 * 3600;

  // `authority`: HOST:PORT of the page. `keys` outlives this.
  PageLogin(std::string authority, certs::KeySource* keys)
      : authority_(std::move(authority)), keys_(keys) {}

  // A new code for the link; the one before no longer works.
  std::string NewCode(int64_t now);
  // The token of a new session, which ends the one before; unset: the code is unknown, too old or
  // was used.
  std::optional<std::string> Redeem(std::string_view code, int64_t now);
  // Whether the value of Authorization has the session's token.
  bool IsOfSession(std::string_view authorization, int64_t now) const;
  // Whether it comes from the page: other sites can make a browser call this port, by a name of
  // theirs or from a page of theirs.
  bool IsOfPage(const api::ApiRequest& request) const;

 private:
  const std::string authority_;
  certs::KeySource* const keys_;
  std::string code_hash_;  // empty: none
  int64_t code_until_ = 0;
  std::string token_hash_;  // empty: none
  int64_t token_until_ = 0;
};

// A path that nobody on the way takes for another one: the API server's proxy resolves `..`, after
// the path was allowed here.
bool IsPlainPath(std::string_view path);
// What the page reads, and its taps. Whoever runs tullectl may be allowed more than that.
bool IsForPage(std::string_view method, std::string_view path);
// Whether the page may open this tap, the body of POST /v1/taps: not one with the secrets of
// requests.
bool IsTapForPage(std::string_view body);

}  // namespace tulle::cli
