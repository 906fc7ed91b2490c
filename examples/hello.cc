// hello VOLUME: counts its own runs, however often the process, the pod or the node dies.
#include <cstdio>
#include <memory>
#include <string>

#include "mooring/store.h"

absl::Status Run(const std::string& volume) {
  mooring::Options options;
  options.volume = volume;
  MOORING_ASSIGN_OR_RETURN(std::unique_ptr<mooring::Store> store, mooring::Store::Open(options));
  MOORING_ASSIGN_OR_RETURN(mooring::Table counters, store->OpenTable("counters"));

  int runs = 0;
  absl::StatusOr<mooring::Value> found = counters.Get("runs");
  if (found.ok()) runs = std::stoi(found->ToString());
  if (!found.ok() && !absl::IsNotFound(found.status())) return found.status();
  found = mooring::Value();  // A value lends the store's memory: let it go before Close().

  MOORING_ASSIGN_OR_RETURN(mooring::Version version, counters.Put("runs", std::to_string(++runs)));
  std::printf("run %d is durable at version %s\n", runs, version.ToString().c_str());
  return store->Close(absl::Seconds(10)).status;
}

int main(int argc, char** argv) {
  const absl::Status status = argc == 2 ? Run(argv[1]) : absl::InvalidArgumentError("hello VOLUME");
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
