#include "control-plane/cli/completion.h"

namespace tulle::cli {
namespace {

constexpr char kContexts[] = "tullectl config get-contexts -o name 2>/dev/null";
constexpr char kContextsThere[] =
    "tullectl \"${server[@]}\" config get-contexts -o name 2>/dev/null";

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

std::string JoinedBy(char separator, const std::set<std::string>& words) {
  std::string text;
  for (const std::string& word : words)
    text += (text.empty() ? "" : std::string(1, separator)) + word;
  return text;
}

// What comes after an option that takes a value.
std::string BashValues(const Vocabulary& vocabulary) {
  std::string forms;
  for (const auto& [path, formats] : vocabulary.formats) {
    forms += "        \"" + path + "\") words=\"" + Joined(formats) + "\" ;;\n";
  }
  return "  local words=\"\"\n"
         "  case \"$before\" in\n"
         "    "
         "-f|--filename|--config|--kubeconfig|--credential-file|--ca-file|--out|--write|--remove|--"
         "data-dir|"
         "--sidecar|--token-file|--state-dir)\n"
         "      compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- \"$cur\")); return "
         ";;\n"
         "    -o|--output)\n"
         "      case \"$path\" in\n" +
         forms +
         "      esac\n"
         "      COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")); return ;;\n"
         "    --context) words=\"$(" +
         std::string(kContextsThere) +
         ")\"\n"
         "      COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")); return ;;\n"
         "    -n|--namespace)\n"
         "      words=\"$(tullectl \"${server[@]}\" get namespaces -o name 2>/dev/null)\"\n"
         "      COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")); return ;;\n"
         "    " +
         JoinedBy('|', vocabulary.valued) +
         ") return ;;\n"
         "  esac\n";
}

// The chain of commands typed so far, as far as it is one; then what may follow it. Names of
// proxies, policies and namespaces come from the control plane that the line names, if it answers.
std::string BashScript(const Vocabulary& vocabulary) {
  std::string script =
      "_tullectl() {\n"
      "  local path=\"\" word i kind=\"\" cur=\"${COMP_WORDS[COMP_CWORD]}\"\n"
      "  local before=\"${COMP_WORDS[COMP_CWORD-1]}\" server=()\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    [ \"${COMP_WORDS[i]}\" = -- ] && { compopt -o default 2>/dev/null; return; }\n"
      "    word=\"${COMP_WORDS[i]}\"\n"
      "    case \"$word\" in\n"
      "      --context|--config|--kubeconfig|--credential-file|--ca-file)\n"
      "        ((i + 1 < COMP_CWORD)) && server+=(\"$word\" \"${COMP_WORDS[i+1]}\"); ((i++)); "
      "continue ;;\n"
      "      " +
      JoinedBy('|', vocabulary.valued) +
      ") ((i++)); continue ;;\n"
      "      pc) word=proxy-config ;;\n"
      "    esac\n"
      "    case \"${path:+$path }$word\" in\n";
  std::string choices;
  for (const auto& [path, following] : vocabulary.words) {
    if (!path.empty()) script += "      \"" + path + "\") path=\"" + path + "\"; continue ;;\n";
    choices += "    \"" + path + "\") words=\"" + Joined(following) + "\" ;;\n";
  }
  script +=
      "    esac\n"
      "    case \"$word\" in -*) ;; *) kind=\"${kind:-$word}\" ;; esac\n"
      "  done\n" +
      BashValues(vocabulary) + "  case \"$path\" in\n" + choices +
      "  esac\n"
      "  case \"$path:$kind\" in\n"
      "    status:|proxy-config:|logs:) words=\"$(tullectl \"${server[@]}\" status -o name "
      "2>/dev/null)\" "
      ";;\n"
      "    \"config use-context:\"|\"config delete-context:\") words=\"$(" +
      std::string(kContexts) +
      ")\" ;;\n"
      "    get:?*|delete:?*|history:?*|rollback:?*)\n"
      "      words=\"$(tullectl \"${server[@]}\" get \"$kind\" -o name 2>/dev/null | sed "
      "'s|.*/||')\" ;;\n"
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

std::string FishScript(const Vocabulary& vocabulary) {
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
  script += std::string("complete -c tullectl -l context -x -a '(") + kContexts + ")'\n" +
            "complete -c tullectl -s n -l namespace -x -a '(tullectl get namespaces -o name "
            "2>/dev/null)'\n";
  for (const auto& [path, formats] : vocabulary.formats) {
    script += "complete -c tullectl -n \"string match -q '" + path +
              "*' (__tullectl_path)\" -s o -l output -x -a '" + Joined(formats) + "'\n";
  }
  for (const auto& [path, following] : vocabulary.words) {
    const std::string condition = path.empty()
                                      ? "test -z (__tullectl_path)"
                                      : "string match -q '" + path + "*' (__tullectl_path)";
    script += "complete -c tullectl -n \"" + condition + "\" -a '" + Joined(following) + "'\n";
  }
  return script;
}

}  // namespace

std::string CompletionScript(const std::string& shell, const Vocabulary& vocabulary) {
  if (shell == "fish") return FishScript(vocabulary);
  if (shell == "zsh") {
    return "autoload -U +X bashcompinit && bashcompinit\n" + BashScript(vocabulary);
  }
  return BashScript(vocabulary);
}

}  // namespace tulle::cli
