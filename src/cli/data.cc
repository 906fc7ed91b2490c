// mooring get, put, delete, scan: single records.
#include <algorithm>
#include <iostream>
#include <iterator>
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

constexpr char kGetExamples[] =
    "  mooring get -V /var/lib/orders carts user:17\n"
    "  mooring get -V /var/lib/orders --raw images logo > logo.png\n"
    "  mooring get -V /var/lib/orders --base64 carts AP8=       a key of any bytes\n"
    "Exit code 1: there is no such key.";
constexpr char kPutExamples[] =
    "  mooring put -V /var/lib/orders carts user:17 '{\"items\":3}'\n"
    "  mooring put -V /var/lib/orders images logo - < logo.png\n"
    "The store must not be in use: this owns it for a moment. Where it has an archive, name it.";
constexpr char kDeleteExamples[] = "  mooring delete -V /var/lib/orders carts user:17";
constexpr char kScanExamples[] =
    "  mooring scan -V /var/lib/orders carts --prefix user: --limit 10\n"
    "  mooring scan -V /var/lib/orders carts --reverse --keys\n"
    "  mooring --json scan -V /var/lib/orders carts | jq -r .key       one JSON object in a line";

struct GetFlags {
  std::string volume;
  std::string table;
  std::string key;
  bool raw = false;
  bool base64 = false;
};

absl::Status Get(const GetFlags& flags, const Output& output) {
  MOORING_ASSIGN_OR_RETURN(const std::string key, ArgumentBytes(flags.key, flags.base64));
  MOORING_ASSIGN_OR_RETURN(const auto look, OpenLook(flags.volume, output));
  absl::StatusOr<std::string> value = look->Get(flags.table, key);
  if (absl::IsNotFound(value.status()) && value.status().message().empty()) {
    return absl::NotFoundError(
        absl::StrCat("table \"", flags.table, "\" has no key \"", Printable(key), "\""));
  }
  MOORING_RETURN_IF_ERROR(value.status());
  if (output.json) return output.Write(RecordLine(flags.table, key, *value));
  MOORING_RETURN_IF_ERROR(output.Write(*value));
  return flags.raw ? absl::OkStatus() : output.Write("\n");
}

struct WriteFlags {
  OwnFlags own;
  std::string table;
  std::string key;
  std::string value;
  bool base64 = false;
  bool create_table = false;
  Durability durability = Durability::kVolume;
};

absl::Status WriteOne(const WriteFlags& flags, bool is_delete, const Output& output) {
  MOORING_ASSIGN_OR_RETURN(const std::string key, ArgumentBytes(flags.key, flags.base64));
  std::string value;
  if (!is_delete && flags.value == "-") {
    value.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else if (!is_delete) {
    MOORING_ASSIGN_OR_RETURN(value, ArgumentBytes(flags.value, flags.base64));
  }
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<OwnedStore> owned,
                           OwnedStore::Open(flags.own, output));
  MOORING_ASSIGN_OR_RETURN(const std::vector<std::string> tables, owned->store().ListTables());
  if (!flags.create_table && std::find(tables.begin(), tables.end(), flags.table) == tables.end()) {
    return absl::NotFoundError(
        absl::StrCat("there is no table \"", flags.table, "\"; --create-table makes it"));
  }
  MOORING_ASSIGN_OR_RETURN(Table table, owned->store().OpenTable(flags.table));
  CommitOptions options;
  options.durability = flags.durability;
  MOORING_ASSIGN_OR_RETURN(const Version version,
                           is_delete ? table.Delete(key, options) : table.Put(key, value, options));
  MOORING_RETURN_IF_ERROR(owned->Close());
  output.Result({{"version", version.ToString()}},
                absl::StrCat("committed as version ", version.ToString(), "\n"));
  return absl::OkStatus();
}

struct ScanFlags {
  std::string volume;
  std::string table;
  std::string prefix;
  std::string begin;
  std::string end;
  uint64_t limit = ~uint64_t{0};
  bool reverse = false;
  bool keys = false;
  bool count = false;
  bool base64 = false;
};

absl::StatusOr<engine::CursorOptions> Bounds(const ScanFlags& flags) {
  engine::CursorOptions options;
  MOORING_ASSIGN_OR_RETURN(options.lower, ArgumentBytes(flags.begin, flags.base64));
  MOORING_ASSIGN_OR_RETURN(options.upper, ArgumentBytes(flags.end, flags.base64));
  MOORING_ASSIGN_OR_RETURN(const std::string prefix, ArgumentBytes(flags.prefix, flags.base64));
  options.lower = std::max(options.lower, prefix);
  const std::string end = EndOfPrefix(prefix);
  if (options.upper.empty() || (!end.empty() && end < options.upper)) options.upper = end;
  options.reverse = flags.reverse;
  return options;
}

std::string ScanLine(const ScanFlags& flags, const engine::Cursor& cursor, bool json) {
  if (json && !flags.keys) return RecordLine(flags.table, cursor.key(), cursor.value());
  if (json) {
    Json line;
    PutBytes(&line, "key", cursor.key());
    return Dump(line, -1) + "\n";
  }
  if (flags.keys) return Printable(cursor.key()) + "\n";
  return absl::StrCat(Printable(cursor.key()), "\t", Printable(cursor.value()), "\n");
}

absl::Status Scan(const ScanFlags& flags, const Output& output) {
  MOORING_ASSIGN_OR_RETURN(engine::CursorOptions options, Bounds(flags));
  MOORING_ASSIGN_OR_RETURN(const auto look, OpenLook(flags.volume, output));
  if (!options.upper.empty() && options.lower >= options.upper) return absl::OkStatus();
  MOORING_ASSIGN_OR_RETURN(const auto cursor, look->Scan(flags.table, std::move(options)));
  uint64_t seen = 0;
  for (; cursor->Valid() && seen < flags.limit; cursor->Next(), ++seen) {
    if (!flags.count) MOORING_RETURN_IF_ERROR(output.Write(ScanLine(flags, *cursor, output.json)));
  }
  MOORING_RETURN_IF_ERROR(cursor->status());
  if (flags.count) output.Result({{"keys", seen}}, absl::StrCat(seen, "\n"));
  return absl::OkStatus();
}

void AddWrite(CLI::App& app, Context* context, bool is_delete) {
  CLI::App* command = is_delete ? AddCommand(app, "delete", "Delete one record", kDeleteExamples)
                                : AddCommand(app, "put", "Write one record", kPutExamples);
  auto flags = std::make_shared<WriteFlags>();
  AddOwnFlags(command, &flags->own);
  command->add_option("TABLE", flags->table, "The table")->required();
  command->add_option("KEY", flags->key, "The key")->required();
  if (!is_delete) {
    command->add_option("VALUE", flags->value, "The value; - reads it from standard input")
        ->required();
    command->add_flag("--create-table", flags->create_table, "Make the table where it is missing");
    command->add_flag("--create", flags->own.create, "Make a store where there is none");
  }
  command->add_flag("--base64", flags->base64, "Key and value are given in base64");
  AddDurability(command, &flags->durability);
  Does(command, context,
       [flags, is_delete](const Output& output) { return WriteOne(*flags, is_delete, output); });
}

}  // namespace

void AddData(CLI::App& app, Context* context) {
  CLI::App* get =
      AddCommand(app, "get", "Read one record, also beside a living owner", kGetExamples);
  auto get_flags = std::make_shared<GetFlags>();
  AddVolume(get, &get_flags->volume);
  get->add_option("TABLE", get_flags->table, "The table")->required();
  get->add_option("KEY", get_flags->key, "The key")->required();
  get->add_flag("--raw", get_flags->raw, "The value's bytes and no newline");
  get->add_flag("--base64", get_flags->base64, "The key is given in base64");
  Does(get, context, [get_flags](const Output& output) { return Get(*get_flags, output); });

  AddWrite(app, context, /*is_delete=*/false);
  AddWrite(app, context, /*is_delete=*/true);

  CLI::App* scan = AddCommand(app, "scan",
                              "Read the records of a table in order, also beside a "
                              "living owner",
                              kScanExamples);
  auto flags = std::make_shared<ScanFlags>();
  AddVolume(scan, &flags->volume);
  scan->add_option("TABLE", flags->table, "The table")->required();
  scan->add_option("--prefix", flags->prefix, "Only keys that begin with it");
  scan->add_option("--begin", flags->begin, "Only keys from it on");
  scan->add_option("--end", flags->end, "Only keys before it");
  scan->add_option("--limit", flags->limit, "At most so many");
  scan->add_flag("--reverse", flags->reverse, "From the last to the first");
  scan->add_flag("--keys", flags->keys, "The keys alone");
  scan->add_flag("--count", flags->count, "Only how many there are");
  scan->add_flag("--base64", flags->base64, "Prefix and bounds are given in base64");
  Does(scan, context, [flags](const Output& output) { return Scan(*flags, output); });
}

}  // namespace mooring::cli
