// mooring dump and load: whole tables as JSON Lines.
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "mooring/store.h"
#include "src/base/status.h"
#include "src/cli/bytes.h"
#include "src/cli/command.h"
#include "src/cli/owned_store.h"

namespace mooring::cli {
namespace {

constexpr char kFormat[] =
    "A line is {\"table\":\"carts\",\"key\":\"user:17\",\"value\":\"...\"}; what is not UTF-8 "
    "stands "
    "in base64\nunder \"key_base64\" and \"value_base64\". A line with a table alone makes the "
    "table.";
constexpr char kDumpExamples[] =
    "  mooring dump -V /var/lib/orders > orders.jsonl          all tables, as of one moment\n"
    "  mooring dump -V /var/lib/orders carts | gzip > carts.jsonl.gz\n";
constexpr char kLoadExamples[] =
    "  mooring load -V /var/lib/new --create < orders.jsonl\n"
    "  mooring dump -V A | mooring load -V B --create          from one store to another\n"
    "The store must not be in use. Records are committed in batches, each as a whole.\n";

constexpr size_t kBatchBytes = size_t{1} << 20;
constexpr size_t kMaxLineBytes = size_t{768} << 20;

struct DumpFlags {
  std::string volume;
  std::vector<std::string> tables;
};

absl::Status Dump(const DumpFlags& flags, const Output& output) {
  MOORING_ASSIGN_OR_RETURN(const auto look, OpenLook(flags.volume, output));
  std::vector<std::string> tables = flags.tables;
  int64_t total = 0;
  for (const engine::TableFigures& table : look->Tables()) {
    if (flags.tables.empty()) tables.push_back(table.name);
    total += table.bytes;
  }
  int64_t done = 0;
  ProgressMeter meter(output, "dumping");
  for (const std::string& table : tables) {
    MOORING_ASSIGN_OR_RETURN(const auto cursor, look->Scan(table, {}));
    Json head;
    PutBytes(&head, "table", table);
    MOORING_RETURN_IF_ERROR(output.Write(cli::Dump(head, -1) + "\n"));
    for (; cursor->Valid(); cursor->Next()) {
      MOORING_RETURN_IF_ERROR(output.Write(RecordLine(table, cursor->key(), cursor->value())));
      done += static_cast<int64_t>(cursor->key().size() + cursor->value().size());
      meter.Update(done, flags.tables.empty() && total > done ? total : 0);
    }
    MOORING_RETURN_IF_ERROR(cursor->status());
  }
  return absl::OkStatus();
}

struct LoadFlags {
  OwnFlags own;
  std::string file = "-";
  Durability durability = Durability::kVolume;
};

// Puts lines into a store, batch by batch.
class Loader {
 public:
  Loader(Store* store, Durability durability, ProgressMeter* meter)
      : store_(*store), meter_(*meter) {
    options_.durability = durability;
  }

  absl::Status Run(std::istream& in) {
    std::string line;
    while (std::getline(in, line)) {
      ++line_number_;
      bytes_ += static_cast<int64_t>(line.size()) + 1;
      if (line.empty()) continue;
      if (absl::Status status = Add(line); !status.ok()) {
        return Annotate(status,
                        absl::StrCat("line ", line_number_, "; the ", committed_,
                                     " records before line ", batch_begins_, " are committed"));
      }
      if (batch_.bytes() >= kBatchBytes) MOORING_RETURN_IF_ERROR(Commit());
    }
    if (in.bad()) return absl::UnavailableError("reading the input failed");
    return Commit();
  }

  int64_t committed() const { return committed_; }
  size_t tables() const { return tables_.size(); }
  Version version() const { return version_; }

 private:
  absl::Status Add(const std::string& line) {
    if (line.size() > kMaxLineBytes) return absl::InvalidArgumentError("the line is too long");
    const Json record = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (record.is_discarded() || !record.is_object()) {
      return absl::InvalidArgumentError("this is no JSON object");
    }
    MOORING_ASSIGN_OR_RETURN(const std::string name, GetBytes(record, "table"));
    auto table = tables_.find(name);
    if (table == tables_.end()) {
      MOORING_ASSIGN_OR_RETURN(Table opened, store_.OpenTable(name));
      table = tables_.emplace(name, std::move(opened)).first;
    }
    if (record.size() == 1) return absl::OkStatus();
    MOORING_ASSIGN_OR_RETURN(const std::string key, GetBytes(record, "key"));
    MOORING_ASSIGN_OR_RETURN(const std::string value, GetBytes(record, "value"));
    batch_.Put(table->second, key, value);
    return absl::OkStatus();
  }

  absl::Status Commit() {
    meter_.Update(bytes_, 0);
    batch_begins_ = line_number_ + 1;
    if (batch_.empty()) return absl::OkStatus();
    MOORING_ASSIGN_OR_RETURN(version_, store_.Commit(batch_, options_));
    committed_ += static_cast<int64_t>(batch_.size());
    batch_.Clear();
    return absl::OkStatus();
  }

  Store& store_;
  ProgressMeter& meter_;
  CommitOptions options_;
  std::map<std::string, Table> tables_;
  WriteBatch batch_;
  int64_t line_number_ = 0;
  int64_t batch_begins_ = 1;
  int64_t bytes_ = 0;
  int64_t committed_ = 0;
  Version version_;
};

absl::Status Load(const LoadFlags& flags, const Output& output) {
  std::ifstream file;
  if (flags.file != "-") {
    file.open(flags.file, std::ios::binary);
    if (!file) return absl::NotFoundError(absl::StrCat("cannot read ", flags.file));
  }
  MOORING_ASSIGN_OR_RETURN(const auto owned, OwnedStore::Open(flags.own, output));
  Json document;
  std::string text;
  {
    ProgressMeter meter(output, "loading");
    Loader loader(&owned->store(), flags.durability, &meter);
    MOORING_RETURN_IF_ERROR(loader.Run(flags.file == "-" ? std::cin : file));
    document = {{"records", loader.committed()},
                {"tables", loader.tables()},
                {"version", loader.version().ToString()}};
    text = absl::StrCat("loaded ", loader.committed(), " records into ", loader.tables(),
                        " tables, ", meter.Summary(), "\n");
  }
  MOORING_RETURN_IF_ERROR(owned->Close());
  output.Result(document, text);
  return absl::OkStatus();
}

}  // namespace

void AddLines(CLI::App& app, Context* context) {
  CLI::App* dump = AddCommand(app, "dump", "Write tables as JSON Lines, also beside a living owner",
                              std::string(kDumpExamples) + kFormat);
  auto dump_flags = std::make_shared<DumpFlags>();
  AddVolume(dump, &dump_flags->volume);
  dump->add_option("TABLE", dump_flags->tables, "The tables; all where none is named");
  Does(dump, context, [dump_flags](const Output& output) { return Dump(*dump_flags, output); });

  CLI::App* load =
      AddCommand(app, "load", "Read JSON Lines into a store", std::string(kLoadExamples) + kFormat);
  auto flags = std::make_shared<LoadFlags>();
  AddOwnFlags(load, &flags->own);
  load->add_option("FILE", flags->file, "What dump wrote; - or nothing: standard input");
  load->add_flag("--create", flags->own.create, "Make a store where there is none");
  AddDurability(load, &flags->durability);
  Does(load, context, [flags](const Output& output) { return Load(*flags, output); });
}

}  // namespace mooring::cli
