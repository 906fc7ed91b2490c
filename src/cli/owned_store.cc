#include "src/cli/owned_store.h"

#include <map>
#include <string>

#include "mooring/status_macros.h"

namespace mooring::cli {

absl::StatusOr<std::unique_ptr<OwnedStore>> OwnedStore::Open(const OwnFlags& flags,
                                                             const Output& output) {
  ProgressMeter meter(output, "opening");
  Options options = MakeOptions(flags, output, &meter);
  MOORING_ASSIGN_OR_RETURN(std::unique_ptr<Store> store, Store::Open(options));
  return std::make_unique<OwnedStore>(std::move(store));
}

absl::Status OwnedStore::Close() {
  const CloseReport report = store_->Close(absl::Minutes(5));
  store_.reset();
  return report.status;
}

void AddDurability(CLI::App* command, Durability* durability) {
  static const std::map<std::string, Durability> kNames = {{"process", Durability::kProcess},
                                                           {"volume", Durability::kVolume},
                                                           {"archive", Durability::kArchive}};
  command->add_option("--durability", *durability, "What it survives: process, volume or archive")
      ->transform(CLI::CheckedTransformer(kNames));
}

}  // namespace mooring::cli
