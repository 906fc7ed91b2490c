// What the snapshot tests kill:
//
//   snapshot_child export VOLUME DIRECTORY SEED   makes a store, writes, and exports one snapshot
//                                                 after the other; "serving", "exported <version>"
//   snapshot_child import SNAPSHOT VOLUME         "importing", "imported"
//   snapshot_child send VOLUME                    exports to its standard output
//   snapshot_child receive VOLUME                 imports from its standard input

#include <unistd.h>

#include <iostream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "mooring/store.h"
#include "tests/simulation/snapshot_writers.h"

namespace mooring::testing {
namespace {

void Say(const std::string& line) {
  const std::string whole = line + "\n";
  if (::write(STDOUT_FILENO, whole.data(), whole.size()) < 0) _exit(4);
}

absl::Status ExportForEver(const std::string& volume, const std::string& directory, uint64_t seed) {
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<Store> store,
                           Store::Open(SnapshotRoundOptions(volume)));
  SnapshotWriters writers(store.get(), seed);
  MOORING_RETURN_IF_ERROR(writers.Start());
  Say("serving");
  for (int i = 0;; ++i) {
    MOORING_ASSIGN_OR_RETURN(const SnapshotInfo info,
                             store->ExportSnapshot(absl::StrCat(directory, "/", i)));
    Say(absl::StrCat("exported ", info.version.ToString()));
  }
}

ImportOptions Into(const std::string& volume) {
  ImportOptions options;
  options.volume = volume;
  options.allow_unsafe_volume = true;
  return options;
}

absl::Status Import(const std::string& snapshot, const std::string& volume) {
  Say("importing");
  MOORING_RETURN_IF_ERROR(ImportSnapshot(snapshot, Into(volume)).status());
  Say("imported");
  return absl::OkStatus();
}

absl::Status Send(const std::string& volume) {
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<Store> store,
                           Store::Open(SnapshotRoundOptions(volume)));
  return store->ExportSnapshot(*MakeSnapshotSink(STDOUT_FILENO)).status();
}

absl::Status Receive(const std::string& volume) {
  return ImportSnapshot(*MakeSnapshotSource(STDIN_FILENO), Into(volume)).status();
}

absl::Status Run(int argc, char** argv) {
  const std::string what = argc > 2 ? argv[1] : "";
  if (what == "export" && argc == 5) return ExportForEver(argv[2], argv[3], std::stoull(argv[4]));
  if (what == "import" && argc == 4) return Import(argv[2], argv[3]);
  if (what == "send" && argc == 3) return Send(argv[2]);
  if (what == "receive" && argc == 3) return Receive(argv[2]);
  return absl::InvalidArgumentError("see the head of snapshot_child.cc");
}

}  // namespace
}  // namespace mooring::testing

int main(int argc, char** argv) {
  const absl::Status status = mooring::testing::Run(argc, argv);
  if (!status.ok()) std::cerr << status.ToString() << std::endl;
  return status.ok() ? 0 : 1;
}
