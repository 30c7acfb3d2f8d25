#include "control-plane/cli/completion.h"

namespace tulle::cli {
namespace {

using Words = std::map<std::string, std::vector<std::string>>;

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// The chain of commands typed so far, as far as it is one; then what may follow it. Names of
// proxies and policies come from the control plane of the current context, if it answers.
std::string BashScript(const Words& words) {
  std::string script =
      "_tullectl() {\n"
      "  local path=\"\" word i kind=\"\" cur=\"${COMP_WORDS[COMP_CWORD]}\"\n"
      "  local before=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    [ \"${COMP_WORDS[i]}\" = -- ] && { compopt -o default 2>/dev/null; return; }\n"
      "    word=\"${COMP_WORDS[i]}\"\n"
      "    [ \"$word\" = pc ] && word=proxy-config\n"
      "    case \"${path:+$path }$word\" in\n";
  std::string choices;
  for (const auto& [path, following] : words) {
    if (!path.empty()) script += "      \"" + path + "\") path=\"" + path + "\"; continue ;;\n";
    choices += "    \"" + path + "\") words=\"" + Joined(following) + "\" ;;\n";
  }
  script +=
      "    esac\n"
      "    case \"$word\" in -*) ;; *) kind=\"${kind:-$word}\" ;; esac\n"
      "  done\n"
      "  case \"$before\" in\n"
      "    "
      "-f|--filename|--config|--credential-file|--ca-file|--out|--write|--remove|--data-dir|--"
      "sidecar|--token-file|--state-dir)\n"
      "      compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
      "    -o|--output) COMPREPLY=($(compgen -W \"table wide name json yaml\" -- \"$cur\")); "
      "return ;;\n"
      "  esac\n"
      "  local words=\"\"\n"
      "  case \"$path\" in\n" +
      choices +
      "  esac\n"
      "  case \"$path:$kind\" in\n"
      "    status:|proxy-config:) words=\"$(tullectl status -o name 2>/dev/null)\" ;;\n"
      "    get:?*|delete:?*|history:?*|rollback:?*)\n"
      "      words=\"$(tullectl get \"$kind\" -o name 2>/dev/null | sed 's|.*/||')\" ;;\n"
      "  esac\n"
      "  local found=($(compgen -W \"$words\" -- \"$cur\"))\n"
      "  for word in \"${found[@]}\"; do\n"
      "    case \"$word\" in -*) [ \"${cur:0:1}\" = - ] || continue ;; esac\n"
      "    COMPREPLY+=(\"$word\")\n"
      "  done\n"
      "}\n"
      "complete -F _tullectl tullectl\n";
  return script;
}

std::string FishScript(const Words& words) {
  std::string script =
      "function __tullectl_path\n"
      "  set -l path\n"
      "  for word in (commandline -opc)[2..-1]\n"
      "    switch \"$word\"\n"
      "      case '-*'\n"
      "      case '*'\n"
      "        set path $path $word\n"
      "    end\n"
      "  end\n"
      "  string join ' ' $path\n"
      "end\n";
  for (const auto& [path, following] : words) {
    const std::string condition = path.empty()
                                      ? "test -z (__tullectl_path)"
                                      : "string match -q '" + path + "*' (__tullectl_path)";
    script += "complete -c tullectl -n \"" + condition + "\" -a '" + Joined(following) + "'\n";
  }
  return script;
}

}  // namespace

std::string CompletionScript(const std::string& shell, const Words& words) {
  if (shell == "fish") return FishScript(words);
  if (shell == "zsh") return "autoload -U +X bashcompinit && bashcompinit\n" + BashScript(words);
  return BashScript(words);
}

}  // namespace tulle::cli
