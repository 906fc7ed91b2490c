#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mooring/store.h"
#include "tests/store/contract_fixture.h"
#include "tests/testing/child_process.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::testing {

using Json = nlohmann::json;

// What one run of the command said.
struct Ran {
  int code = -1;
  std::string out;
  std::string error;

  Json json() const { return Json::parse(out, nullptr, false); }
};

inline std::ostream& operator<<(std::ostream& stream, const Ran& ran) {
  return stream << "exit code " << ran.code << "\nout: " << ran.out << "\nerror: " << ran.error;
}

// The command `mooring`, run as a child, and volumes for it.
class CommandTest : public ::testing::Test {
 protected:
  using Arguments = std::vector<std::string>;

  void SetUp() override {
    volume_ = MakeVolume("volume");
    archive_ = "file://" + directory_.File("archive");
  }

  std::string MakeVolume(const std::string& name) {
    std::filesystem::create_directories(directory_.File(name));
    return directory_.File(name);
  }

  // A shell's command line; `mooring` is the command.
  Ran Shell(const std::string& line, const std::string& input = "") const {
    const std::string errors = directory_.File("errors");
    ChildProcess child({"/bin/bash", "-c",
                        "set -o pipefail; mooring() { " MOORING_COMMAND " \"$@\"; }; { " + line +
                            "\n} 2>" + errors});
    if (!input.empty()) child.Write(input);
    child.CloseInput();
    Ran ran;
    while (child.Read(&ran.out, absl::Minutes(2))) {
    }
    ran.code = child.Wait();
    std::ifstream file(errors);
    ran.error.assign(std::istreambuf_iterator<char>(file), {});
    return ran;
  }

  Ran Run(const Arguments& arguments, const std::string& input = "") const {
    std::string line = "mooring";
    for (const std::string& argument : arguments) line += " " + Quoted(argument);
    return Shell(line, input);
  }

  static std::string Quoted(const std::string& text) {
    std::string quoted = "'";
    for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return quoted + "'";
  }

  Options StoreOptions(bool with_archive = false) const {
    Options options = SmallOptions(volume_);
    options.acquire_timeout = absl::ZeroDuration();
    if (with_archive) options.archive.url = archive_;
    return options;
  }

  // Two tables: "carts" with user:000 and so on, and "bytes" with what is no text.
  static void Fill(Store& store, int records = 100) {
    ASSERT_OK_AND_ASSIGN(Table carts, store.OpenTable("carts"));
    ASSERT_OK_AND_ASSIGN(Table bytes, store.OpenTable("bytes"));
    WriteBatch batch;
    for (int i = 0; i < records; ++i) batch.Put(carts, KeyOf(i), ValueOf(i));
    batch.Put(bytes, std::string("\0\xff", 2), std::string("\xfe\0\n", 3));
    ASSERT_OK(store.Commit(batch).status());
  }
  static std::string KeyOf(int i) {
    const std::string digits = std::to_string(i);
    return "user:" + std::string(5 - std::min<size_t>(digits.size(), 5), '0') + digits;
  }
  static std::string ValueOf(int i) { return "cart " + std::to_string(i); }

  void MakeStore(bool with_archive = false, int records = 100) const {
    ASSERT_OK_AND_ASSIGN(const auto store, Store::Open(StoreOptions(with_archive)));
    ASSERT_NO_FATAL_FAILURE(Fill(*store, records));
    if (with_archive) {  // What follows the checkpoint of the new tables is log.
      ASSERT_OK(store->WaitArchived(store->version(), absl::Minutes(1)));
      ASSERT_NO_FATAL_FAILURE(Fill(*store, records));
    }
    ASSERT_OK(store->Close(absl::Minutes(1)).status);
  }

  TempDirectory directory_;
  std::string volume_;
  std::string archive_;
};

MATCHER_P(Exits, code, "exits with " + ::testing::PrintToString(code)) {
  *result_listener << arg;
  return arg.code == code;
}

}  // namespace mooring::testing
