// The damage table of the log: what each kind of damage to the files ends in. RocksDB alone opens
// with acknowledged commits missing in most of these rows.
#include <fcntl.h>

#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "src/wal/log_scan.h"
#include "tests/wal/rocksdb_fixture.h"

namespace mooring::wal {
namespace {

using mooring::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::HasSubstr;

// A store of several logs that RocksDB still needs, every commit synced and witnessed.
class DamageTest : public ::testing::Test {
 protected:
  static constexpr int kCommits = 600;

  static void SetUpTestSuite() {
    temp_ = new TempDirectory;
    options_ = new LogOptions(TestLogOptions(temp_->File("db")));
    ASSERT_OK_AND_ASSIGN(auto db, LogDb::Open(*options_, /*write_buffer_size=*/64 << 10));
    ASSERT_TRUE(db->db()->PauseBackgroundWork().ok());
    for (int i = 0; i < kCommits; ++i) {
      ASSERT_TRUE(db->Put(NumberedKey(i), NumberedValue(i, 300)).ok());
    }
    ASSERT_TRUE(db->AwaitWitness());
    image_ = new std::string(temp_->File("image"));
    CopyStore(options_->directory, *image_);
    ASSERT_TRUE(db->db()->ContinueBackgroundWork().ok());
    logs_ = new std::vector<std::string>(LogNamesIn(*image_));
    ASSERT_GE(logs_->size(), 4u);
  }
  static void TearDownTestSuite() {
    delete logs_;
    delete image_;
    delete options_;
    delete temp_;
  }

  static std::string Oldest() { return logs_->front(); }
  static std::string Middle() { return (*logs_)[logs_->size() / 2]; }
  static std::string Newest() { return logs_->back(); }

  static std::vector<FrameHeader> Frames(const std::string& path) {
    std::vector<FrameHeader> frames;
    ScanOptions options;
    options.check_store_id = false;
    options.on_frame = [&](const FrameHeader& frame, bool) { frames.push_back(frame); };
    EXPECT_OK(ScanLog(rocksdb::FileSystem::Default().get(), path,
                      LogNumberOfName(std::filesystem::path(path).filename().string()), options));
    return frames;
  }

  // The physical offset of the frame in the middle of a log.
  static uint64_t MiddleFrame(const std::string& path) {
    const std::vector<FrameHeader> frames = Frames(path);
    return frames[frames.size() / 2].physical_offset;
  }
  static uint64_t EndOfFrames(const std::string& path) {
    const FrameHeader last = Frames(path).back();
    return last.physical_offset + FrameBytes(last.header_bytes, last.payload_bytes);
  }

  static void Overwrite(const std::string& path, uint64_t offset, const std::string& bytes) {
    ASSERT_OK_AND_ASSIGN(PosixFile file, PosixFile::Open(path, O_RDWR));
    ASSERT_OK(file.WriteAt(offset, bytes));
  }
  static void Zero(const std::string& path, uint64_t offset, uint64_t size) {
    Overwrite(path, offset, std::string(size, '\0'));
  }
  static void FlipBit(const std::string& path, uint64_t offset) {
    ASSERT_OK_AND_ASSIGN(PosixFile file, PosixFile::Open(path, O_RDWR));
    char byte = 0;
    ASSERT_OK(file.ReadAt(offset, 1, &byte));
    byte = static_cast<char>(byte ^ 4);
    ASSERT_OK(file.WriteAt(offset, std::string(1, byte)));
  }

  // What opening the damaged copy ends in: "nothing lost", or the error.
  static std::string Outcome(const std::string& directory, const TestSwitches& test = {}) {
    LogOptions options = TestLogOptions(directory);
    options.test = test;
    absl::StatusOr<std::unique_ptr<LogDb>> db = LogDb::Open(options);
    if (!db.ok()) return db.status().ToString();
    for (size_t family = 0; family < 2; ++family) {
      const auto contents = (*db)->Contents(family);
      for (int i = 0; i < kCommits; ++i) {
        const auto found = contents.find(NumberedKey(i));
        if (found == contents.end() || found->second != NumberedValue(i, 300)) {
          return absl::StrCat("opened with commit ", i, " missing");
        }
      }
    }
    return "nothing lost";
  }

  static std::string NewCopy() {
    static int copies = 0;
    const std::string copy = temp_->File("copy" + std::to_string(copies++));
    CopyStore(*image_, copy);
    return copy;
  }

  static TempDirectory* temp_;
  static LogOptions* options_;
  static std::string* image_;
  static std::vector<std::string>* logs_;
};

TempDirectory* DamageTest::temp_ = nullptr;
LogOptions* DamageTest::options_ = nullptr;
std::string* DamageTest::image_ = nullptr;
std::vector<std::string>* DamageTest::logs_ = nullptr;

struct Row {
  std::string what;
  std::string file;
  std::function<void(const std::string& path)> damage;
  bool loses = true;
};

// Every byte of a log that was synced is proven by something: no row opens short.
TEST_F(DamageTest, EveryRowEndsWithNothingLostOrWithDataLossThatNamesThePlace) {
  const auto zero_at_middle = [](uint64_t skew, uint64_t size) {
    return [=](const std::string& path) { Zero(path, MiddleFrame(path) + skew, size); };
  };
  const auto cut_at_middle = [](const std::string& path) {
    std::filesystem::resize_file(path, MiddleFrame(path));
  };
  const auto remove = [](const std::string& path) { std::filesystem::remove(path); };
  std::vector<Row> rows;
  for (const std::string& log : {Oldest(), Middle(), Newest()}) {
    rows.push_back({"4 KiB zeroed from a frame boundary", log, zero_at_middle(0, 4096)});
    rows.push_back({"32 KiB zeroed from a frame boundary", log, zero_at_middle(0, 32768)});
    rows.push_back({"4 KiB zeroed inside a frame", log, zero_at_middle(100, 4096)});
    rows.push_back({"32 KiB zeroed inside a frame", log, zero_at_middle(100, 32768)});
    rows.push_back({"bit flipped in a payload", log, [](const std::string& path) {
                      FlipBit(path, MiddleFrame(path) + kFrameHeaderBytes + 20);
                    }});
    rows.push_back({"bit flipped in a frame header", log,
                    [](const std::string& path) { FlipBit(path, MiddleFrame(path) + 20); }});
    rows.push_back({"truncated on a frame boundary", log, cut_at_middle});
    rows.push_back({"truncated to nothing", log,
                    [](const std::string& path) { std::filesystem::resize_file(path, 0); }});
    rows.push_back({"zeroed from the middle to the end", log, [](const std::string& path) {
                      const uint64_t from = MiddleFrame(path);
                      Zero(path, from, std::filesystem::file_size(path) - from);
                    }});
    rows.push_back({"last used block zeroed", log, [](const std::string& path) {
                      Zero(path, (EndOfFrames(path) - 1) / kBlockBytes * kBlockBytes, kBlockBytes);
                    }});
    rows.push_back({"last frame zeroed", log, [](const std::string& path) {
                      const uint64_t at = Frames(path).back().physical_offset;
                      Zero(path, at, EndOfFrames(path) - at);
                    }});
    rows.push_back(
        {"bit flipped in the header", log, [](const std::string& path) { FlipBit(path, 24); }});
    rows.push_back({"bit flipped in the header's padding", log,
                    [](const std::string& path) { FlipBit(path, 3000); }});
    rows.push_back({"file missing", log, remove});
  }
  rows.push_back({"bytes past the last frame flipped", Newest(),
                  [](const std::string& path) { FlipBit(path, EndOfFrames(path) + 4); },
                  /*loses=*/false});
  rows.push_back({"file replaced by another log", Middle(), [](const std::string& path) {
                    std::filesystem::copy_file(path.substr(0, path.rfind('/') + 1) + Newest(), path,
                                               std::filesystem::copy_options::overwrite_existing);
                  }});
  const std::string inventory = InventoryFile::kName;
  rows.push_back({"inventory missing", inventory, remove});
  rows.push_back({"inventory zeroed", inventory,
                  [](const std::string& path) { Zero(path, 0, kInventoryBytes); }});
  rows.push_back({"older slot of the inventory zeroed", inventory,
                  [](const std::string& path) {
                    ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadFile(path));
                    Inventory slots[2];
                    for (int i = 0; i < 2; ++i) {
                      const auto slot = std::string_view(bytes).substr(i * kInventorySlotBytes);
                      ASSERT_EQ(DecodeInventory(slot, &slots[i]), Decoded::kOk);
                    }
                    const int older = slots[0].sequence < slots[1].sequence ? 0 : 1;
                    Zero(path, older * kInventorySlotBytes, kInventorySlotBytes);
                  },
                  /*loses=*/false});

  std::printf("%-38s %-13s %s\n", "damage", "file", "outcome");
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what + " of " + row.file);
    const std::string copy = NewCopy();
    row.damage(copy + "/" + row.file);
    const std::string outcome = Outcome(copy);
    std::string shown = outcome;
    for (size_t at; (at = shown.find(copy + "/")) != std::string::npos;) {
      shown.erase(at, copy.size() + 1);
    }
    std::printf("%-38s %-13s %s\n", row.what.c_str(), row.file.c_str(), shown.c_str());
    if (row.loses) {
      EXPECT_THAT(outcome, AllOf(HasSubstr("DATA_LOSS"), HasSubstr(row.file), HasSubstr("bytes")));
      EXPECT_EQ(Outcome(copy), outcome) << "the verdict changed the files";
    } else {
      EXPECT_EQ(outcome, "nothing lost");
    }
    std::filesystem::remove_all(copy);
  }
}

TEST_F(DamageTest, UndamagedImageLosesNothing) { EXPECT_EQ(Outcome(NewCopy()), "nothing lost"); }

// W3's exception: what nothing bears witness of yet cannot be told from a tear, and is cut.
TEST_F(DamageTest, UnwitnessedLastCommitIsCutAsATornTail) {
  LogOptions options = TestLogOptions(temp_->File("unwitnessed"));
  options.test.no_idle_witness = true;
  ASSERT_OK_AND_ASSIGN(auto db, LogDb::Open(options));
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(db->Put(NumberedKey(i), NumberedValue(i)).ok());
  const std::string copy = temp_->File("unwitnessed-copy");
  CopyStore(options.directory, copy);
  const std::string newest = copy + "/" + LogNamesIn(copy).back();
  FlipBit(newest, Frames(newest).back().physical_offset + 90);
  ASSERT_OK_AND_ASSIGN(auto cut, LogDb::Open(TestLogOptions(copy)));
  EXPECT_EQ(cut->Contents().size(), 9u);
  EXPECT_EQ(cut->fs()->recovery().torn_logs, 1);
}

// Negative controls: without its rule each of these damages would go unnoticed.
TEST_F(DamageTest, ScanThatStepsOverAZeroedFrameIsCaught) {
  const auto damaged_copy = [] {
    const std::string copy = NewCopy();
    const std::string path = copy + "/" + Middle();
    const std::vector<FrameHeader> frames = Frames(path);
    const FrameHeader& frame = frames[frames.size() - 4];
    Zero(path, frame.physical_offset, FrameBytes(frame.header_bytes, frame.payload_bytes));
    return copy;
  };
  TestSwitches test;
  test.accept_zeroed_block = true;
  EXPECT_THAT(Outcome(damaged_copy(), test), HasSubstr("was due"));
  test.no_continuity_check = true;
  EXPECT_THAT(Outcome(damaged_copy(), test), HasSubstr("opened with commit"));
}

}  // namespace
}  // namespace mooring::wal
