#include "control-plane/cli/completion.h"

#include "absl/strings/str_split.h"

namespace tulle::cli {
namespace {

constexpr char kContexts[] = "tullectl config get-contexts -o name 2>/dev/null";
constexpr char kContextsThere[] =
    "tullectl \"${server[@]}\" config get-contexts -o name 2>/dev/null";

// Of the line that is completed, in bash.
constexpr char kServer[] = "\"${server[@]}\" ";
constexpr char kOffer[] = "      COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")); return ;;\n";

// Names that the control plane knows: what follows a command, or a command and a kind.
struct Names {
  const char* path;
  const char* kinds;  // separated by |; empty: the command takes no kind
  const char* query;  // the arguments of tullectl that print them
};
constexpr Names kNames[] = {
    {"status", "", "status -o name"},    {"proxy-config", "", "status -o name"},
    {"logs", "", "status -o name"},      {"services", "", "get services -o name"},
    {"tap", "", "get services -o name"}, {"describe", "proxy|proxies", "status -o name"},
};

std::string QueryOf(const std::string& server, const std::string& query) {
  return "$(tullectl " + server + query + " 2>/dev/null | sed 's|.*/||')";
}

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
         forms + "      esac\n" + kOffer + "    --context) words=\"$(" + kContextsThere + ")\"\n" +
         kOffer +
         "    -n|--namespace)\n"
         "      words=\"" +
         QueryOf(kServer, "get namespaces -o name") + "\"\n" + kOffer +
         "    --proxy|--from) words=\"" + QueryOf(kServer, "status -o name") + "\"\n" + kOffer +
         "    --to) words=\"" + QueryOf(kServer, "get services -o name") + "\"\n" + kOffer +
         "    --for)\n"
         "      [ \"$path\" = events ] && words=\"$(tullectl " +
         kServer + "status -o name 2>/dev/null | sed 's|^|proxy/|')\"\n" + kOffer + "    " +
         JoinedBy('|', vocabulary.valued) +
         ") return ;;\n"
         "  esac\n";
}

std::string BashNames() {
  std::string cases;
  for (const Names& names : kNames) {
    const std::vector<std::string> kinds = absl::StrSplit(names.kinds, '|');
    std::string patterns;
    for (const std::string& kind : kinds)
      patterns += (patterns.empty() ? "" : "|") + std::string(names.path) + ":" + kind;
    cases += "    " + patterns + ") words=\"" + QueryOf(kServer, names.query) + "\" ;;\n";
  }
  return cases;
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
      "      svc) word=services ;;\n"
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
      "  case \"$path:$kind\" in\n" +
      BashNames() + "    \"config use-context:\"|\"config delete-context:\") words=\"$(" +
      std::string(kContexts) +
      ")\" ;;\n"
      "    get:?*|delete:?*|describe:?*|history:?*|rollback:?*)\n"
      "      words=\"" +
      QueryOf(kServer, "get \"$kind\" -o name") +
      "\" ;;\n"
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
  for (const Names& names : kNames) {
    const std::vector<std::string> kinds = absl::StrSplit(names.kinds, '|');
    for (const std::string& kind : kinds) {
      script += "complete -c tullectl -n \"string match -q '" + std::string(names.path) +
                (kind.empty() ? "" : " " + kind) + "' (__tullectl_path)\" -x -a '(tullectl " +
                names.query + " 2>/dev/null | string replace -r \".*/\" \"\")'\n";
    }
  }
  for (const char* command : {"get", "delete", "describe", "history", "rollback"}) {
    script += "complete -c tullectl -n \"string match -q '" + std::string(command) +
              " *' (__tullectl_path)\" -x -a '(tullectl get (commandline -opc)[3] -o name "
              "2>/dev/null | string replace -r \".*/\" \"\")'\n";
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
