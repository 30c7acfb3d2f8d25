// `tullectl inject`: offline, the same injection as the webhook's.
#include "absl/strings/str_cat.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/files.h"
#include "control-plane/cli/manifest.h"
#include "net/usage/unsafe_text.h"

namespace tulle::cli {

absl::StatusOr<int> Inject(Session& session) {
  const Invocation& wanted = session.invocation;
  inject::Settings settings;
  settings.sidecar_image = wanted.installation.sidecar_image;
  settings.init_image = wanted.installation.init_image;
  settings.cni = wanted.cni;
  const auto inputs = ReadInputs(wanted.files, wanted.recursive, session.environment.in);
  if (!inputs.ok()) return inputs.status();
  std::string all;
  std::string notes;
  // Nothing is written unless everything is valid.
  for (const InputFile& input : *inputs) {
    const auto injected = InjectManifest(input.name, input.text, wanted.ns, settings);
    if (!injected.ok()) return injected.status();
    if (!all.empty() && !injected->text.starts_with("---")) all += "---\n";
    all += injected->text;
    if (!all.empty() && all.back() != '\n') all += '\n';
    for (const std::string& note : injected->notes)
      absl::StrAppend(&notes, usage::Printable(note), "\n");
  }
  if (notes.empty()) notes = "nothing to inject: found no pods and no templates of pods\n";
  session.out() << all;
  session.err() << notes;
  return 0;
}

}  // namespace tulle::cli
