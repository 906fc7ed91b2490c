// consumer DIRECTORY: opens a store there, writes, reads and closes it.
#include <cstdio>
#include <memory>
#include <string>

#include "mooring/store.h"
#include "mooring/termination.h"

namespace {

absl::Status Run(const std::string& directory) {
  mooring::Options options;
  options.volume = directory;
  options.allow_unsafe_volume = true;  // The test machine's directory may be a container's own.
  MOORING_ASSIGN_OR_RETURN(std::unique_ptr<mooring::Store> store, mooring::Store::Open(options));
  MOORING_ASSIGN_OR_RETURN(mooring::Table table, store->OpenTable("consumer"));
  MOORING_ASSIGN_OR_RETURN(mooring::Version version, table.Put("key", "value"));

  mooring::Value value;
  MOORING_RETURN_IF_ERROR(table.Get("key", &value));
  if (value.view() != "value") return absl::InternalError("read back: " + value.ToString());
  value.Reset();

  const mooring::CloseReport report = store->Close(absl::Seconds(60));
  MOORING_RETURN_IF_ERROR(report.status);
  std::printf("wrote and read version %s\n", version.ToString().c_str());
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const absl::Status status = Run(argv[1]);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
