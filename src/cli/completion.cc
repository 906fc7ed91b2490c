// mooring completion: for the shell.
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "src/cli/command.h"

namespace mooring::cli {
namespace {

constexpr char kExamples[] =
    "  source <(mooring completion)                                   in this shell\n"
    "  mooring completion > /etc/bash_completion.d/mooring            in every one";

constexpr char kHead[] =
    "# bash completion of mooring; made by `mooring completion`.\n"
    "_mooring() {\n"
    "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= w\n"
    "  for w in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
    "    case $w in -*) ;; *) command+=${command:+ }$w; [ \"$command\" = archive ] || break ;; "
    "esac\n"
    "  done\n"
    "  case $before in\n"
    "    -V|--volume|--scratch) COMPREPLY=($(compgen -d -- \"$word\")); return ;;\n"
    "    --snapshot) COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n"
    "    -A|--archive) COMPREPLY=($(compgen -W 'file:/// s3://' -- \"$word\")); return ;;\n"
    "  esac\n"
    "  local words=\n"
    "  case $command in\n";

constexpr char kTail[] =
    "  esac\n"
    "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
    "  [ -n \"$command\" ] && [[ $word != -* ]] && COMPREPLY+=($(compgen -f -- \"$word\"))\n"
    "  return 0\n"
    "}\n"
    "complete -o filenames -F _mooring mooring\n";

std::string Words(const CLI::App& app) {
  std::string words;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    absl::StrAppend(&words, command->get_name(), " ");
  }
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) absl::StrAppend(&words, "--", name, " ");
  }
  return words;
}

void AddCases(const CLI::App& app, const std::string& name, std::string* script) {
  absl::StrAppend(script, "    '", name, "') words='", Words(app), "' ;;\n");
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    AddCases(*command, absl::StrCat(name, name.empty() ? "" : " ", command->get_name()), script);
  }
}

}  // namespace

void AddCompletion(CLI::App& app, Context* context) {
  CLI::App* command =
      AddCommand(app, "completion", "Print bash's completion of this command", kExamples);
  Does(command, context, [&app](const Output& output) {
    std::string script = kHead;
    AddCases(app, "", &script);
    script += kTail;
    output.Result({{"bash", script}}, script);
    return absl::OkStatus();
  });
}

}  // namespace mooring::cli
