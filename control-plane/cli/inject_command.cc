// `tullectl inject`: offline, the same injection as the webhook's.
#include <sstream>

#include "absl/strings/str_cat.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/files.h"
#include "control-plane/cli/manifest.h"

namespace tulle::cli {
namespace {

absl::StatusOr<std::string> ReadInput(Session& session, const std::string& path) {
  if (path != "-") return ReadFile(path);
  std::ostringstream text;
  text << session.environment.in.rdbuf();
  return text.str();
}

}  // namespace

absl::StatusOr<int> Inject(Session& session) {
  const Invocation& wanted = session.invocation;
  inject::Settings settings;
  if (!wanted.sidecar_image.empty()) settings.sidecar_image = wanted.sidecar_image;
  if (!wanted.init_image.empty()) settings.init_image = wanted.init_image;
  std::string all;
  std::string notes;
  // Nothing is written unless everything is valid.
  for (const std::string& path : wanted.files) {
    const auto text = ReadInput(session, path);
    if (!text.ok()) return text.status();
    const std::string name = path == "-" ? "standard input" : path;
    const auto injected = InjectManifest(name, *text, wanted.ns, settings);
    if (!injected.ok()) return injected.status();
    if (!all.empty() && !injected->text.starts_with("---")) all += "---\n";
    all += injected->text;
    if (!all.empty() && all.back() != '\n') all += '\n';
    for (const std::string& note : injected->notes) absl::StrAppend(&notes, note, "\n");
  }
  session.out() << all;
  session.err() << notes;
  return 0;
}

}  // namespace tulle::cli
