// mooring log: the frames of a log file.
#include <memory>
#include <string>

#include "mooring/status_macros.h"
#include "src/cli/command.h"
#include "src/wal/log_dump.h"

namespace mooring::cli {
namespace {

constexpr char kExamples[] =
    "  mooring log /var/lib/orders/data/000012.log          each frame, and the verdict\n"
    "  mooring log --summary /var/lib/orders/data/*.log     the verdicts\n"
    "A file that is in use is read as far as it is written.";

struct Flags {
  std::vector<std::string> files;
  bool summary = false;
};

Json ToJson(const wal::LogDump& dump, bool frames) {
  const wal::LogScan& scan = dump.scan;
  Json document = {{"file", scan.path},
                   {"file_bytes", scan.file_bytes},
                   {"header_valid", scan.header_valid},
                   {"log", scan.header.log},
                   {"store_id", wal::StoreIdToString(scan.header.store_id)},
                   {"incarnation", scan.header.incarnation},
                   {"log_bytes", scan.length},
                   {"ends_at_offset", scan.physical_end},
                   {"frames_past_damage", scan.frames_past_end},
                   {"verdict", dump.Verdict()}};
  if (!frames) return document;
  document["frames"] = Json::array();
  for (const wal::LogDump::Frame& frame : dump.frames) {
    document["frames"].push_back({{"offset", frame.header.physical_offset},
                                  {"log_offset", frame.header.logical_offset},
                                  {"bytes", frame.header.payload_bytes},
                                  {"durable_log", frame.header.durable.log},
                                  {"durable_offset", frame.header.durable.offset},
                                  {"past_damage", !frame.in_prefix}});
  }
  return document;
}

// As far as one file knows.
bool IsDamaged(const wal::LogDump& dump) {
  const wal::LogScan& scan = dump.scan;
  return !scan.header_valid || scan.frames_past_end > 0 || scan.file_bytes < scan.header.capacity;
}

absl::Status ShowLogs(const Flags& flags, const Output& output) {
  Json documents = Json::array();
  std::string text;
  std::string damaged;
  for (const std::string& file : flags.files) {
    MOORING_ASSIGN_OR_RETURN(const wal::LogDump dump, wal::DumpLog(file));
    documents.push_back(ToJson(dump, !flags.summary));
    text += flags.summary ? file + ": " + dump.Verdict() + "\n" : dump.ToString();
    if (IsDamaged(dump)) damaged += (damaged.empty() ? "" : ", ") + file;
  }
  output.Result(flags.files.size() == 1 ? documents[0] : documents, text);
  if (damaged.empty()) return absl::OkStatus();
  return absl::DataLossError(damaged +
                             " ends at a damaged or torn place. Whether something is lost, the "
                             "whole volume tells: mooring verify");
}

}  // namespace

void AddLog(CLI::App& app, Context* context) {
  CLI::App* command =
      AddCommand(app, "log", "Show what a log file holds, frame by frame", kExamples);
  auto flags = std::make_shared<Flags>();
  command->add_option("FILE", flags->files, "Files NNNNNN.log of a volume's data directory")
      ->required();
  command->add_flag("--summary", flags->summary, "The verdicts alone");
  Does(command, context, [flags](const Output& output) { return ShowLogs(*flags, output); });
}

}  // namespace mooring::cli
