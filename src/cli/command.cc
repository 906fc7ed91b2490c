#include "src/cli/command.h"

#include <utility>

namespace mooring::cli {

CLI::App* AddCommand(CLI::App& parent, const std::string& name, const std::string& description,
                     const std::string& examples) {
  CLI::App* command = parent.add_subcommand(name, description);
  command->footer("\nExamples:\n" + examples);
  command->fallthrough();
  return command;
}

void Does(CLI::App* command, Context* context, Work work) {
  command->callback([context, work = std::move(work)] { context->status = work(context->output); });
}

void AddVolume(CLI::App* command, std::string* volume) {
  command->add_option("-V,--volume", *volume, "The volume: the directory that holds the store")
      ->type_name("DIR")
      ->envname("MOORING_VOLUME")
      ->required();
}

void AddArchive(CLI::App* command, std::string* url, bool required) {
  CLI::Option* option =
      command->add_option("-A,--archive", *url,
                          "The archive: file:///path or "
                          "s3://bucket/prefix?endpoint=...; no credentials in it");
  option->type_name("URL")->envname("MOORING_ARCHIVE");
  if (required) option->required();
}

void AddOwnFlags(CLI::App* command, OwnFlags* flags) {
  AddVolume(command, &flags->volume);
  AddArchive(command, &flags->archive, /*required=*/false);
  command->add_option("--wait", flags->wait_seconds,
                      "Seconds to wait for a living owner to go; it is never disturbed");
  command->add_flag("--unsafe-volume", flags->unsafe,
                    "Accept a volume that does not outlive the pod or cannot lock");
  command->add_flag("--adopt-archive", flags->adopt,
                    "Go on with another archive than the one the volume remembers, or with none");
  command->add_flag("--accept-loss", flags->accept_loss,
                    "Go on though the archive is damaged and archived commits are lost");
}

}  // namespace mooring::cli
