// mooring: what is on a volume or in an archive, and what to do about it.
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>

#include "src/cli/command.h"
#include "src/cli/exit_code.h"
#ifdef MOORING_CLI_S3
#include "mooring/s3.h"
#endif

namespace mooring::cli {
namespace {

constexpr char kDescription[] =
    "mooring looks after Mooring stores: what is on a volume or in an archive, whether it is "
    "whole,\n"
    "and what to do where it is not. Commands that read change nothing and never disturb a store\n"
    "that is in use.\n";

constexpr char kExamples[] =
    "\nExamples:\n"
    "  mooring inspect -V /var/lib/orders            what is on this volume, and who owns it\n"
    "  mooring doctor -V /var/lib/orders             what is wrong, and the next step\n"
    "  mooring scan -V /var/lib/orders carts         the keys and values of a table\n"
    "  mooring verify -V /var/lib/orders             every checksum\n"
    "  mooring COMMAND --help                        what it does, with examples\n\n";

int Run(int argc, char** argv) {
#ifdef MOORING_CLI_S3
  EnableS3();
#endif
  std::signal(SIGPIPE, SIG_IGN);  // NOLINT: an error of the write says it as well.
  Context context;
  CLI::App app(kDescription, "mooring");
  app.footer(std::string(kExamples) + kExitCodes);
  app.set_version_flag("--version", MOORING_VERSION);
  app.add_flag("--json", context.output.json, "Results as JSON, for machines");
  app.add_flag("-q,--quiet", context.output.quiet, "No progress and no notes");
  app.require_subcommand(1);
  AddInspect(app, &context);
  AddVerify(app, &context);
  AddLog(app, &context);
  AddData(app, &context);
  AddLines(app, &context);
  AddArchive(app, &context);
  AddRestore(app, &context);
  AddRewind(app, &context);
  AddSnapshot(app, &context);
  AddDoctor(app, &context);
  AddCompletion(app, &context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kUsage;
  }
  const bool written = std::fflush(stdout) == 0;
  if (!context.status.ok()) context.output.Error(context.status);
  if (!written && context.status.ok()) return kNotNow;
  return ExitCodeOf(context.status);
}

}  // namespace
}  // namespace mooring::cli

int main(int argc, char** argv) {
  try {
    return mooring::cli::Run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "mooring: %s\n", error.what());
    return mooring::cli::kInternal;
  }
}
