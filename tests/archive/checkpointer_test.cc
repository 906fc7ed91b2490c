#include "src/archive/checkpointer.h"

#include <atomic>
#include <filesystem>
#include <thread>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/base/steady_clock.h"
#include "tests/archive/entries.h"
#include "tests/archive/shipper_world.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::archive {
namespace {

using ::mooring::testing::StatusIs;
using ::testing::HasSubstr;

class CheckpointerTest : public ::testing::Test {
 protected:
  CheckpointerOptions Options(int incarnation = 1) {
    CheckpointerOptions options;
    options.directory = directory_.path();
    options.incarnation = Id(incarnation);
    options.epoch = 7;
    return options;
  }

  mooring::testing::TempDirectory directory_;
  MemoryStore store_;
  FakeSource source_;
};

TEST_F(CheckpointerTest, EveryFileItNamesIsInTheArchive) {
  Checkpointer checkpointer(&store_, &source_, {}, Options());
  source_.Commit();
  ASSERT_OK_AND_ASSIGN(const CheckpointDraft draft, checkpointer.Make());
  ASSERT_EQ(draft.entry.files.size(), 1u);
  const ArchivedFile& file = draft.entry.files[0];
  EXPECT_EQ(file.name, absl::StrCat("7-000010-", Id(1), "-", file.size));
  ASSERT_OK_AND_ASSIGN(const std::string bytes, store_.Get(FileKey(file.name), {}));
  EXPECT_EQ(bytes, "operations up to 1");
  EXPECT_EQ(draft.uploaded_files, 1);
  EXPECT_EQ(draft.entry.max_sequence, 1u);
  EXPECT_EQ(draft.entry.manifest, "manifest 1");
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
}

TEST_F(CheckpointerTest, FilesOfEarlierCheckpointsAreNotUploadedAgain) {
  Checkpointer first(&store_, &source_, {}, Options());
  source_.Commit();
  ASSERT_OK_AND_ASSIGN(const CheckpointDraft before, first.Make());
  source_.Commit();
  ASSERT_OK_AND_ASSIGN(const CheckpointDraft after, first.Make());
  EXPECT_EQ(after.entry.files.size(), 2u);
  EXPECT_EQ(after.uploaded_files, 1);
  EXPECT_EQ(after.entry.files[0], before.entry.files[0]);
  EXPECT_EQ(store_.Count("file"), 2);
  // The next opening knows them from the journal.
  Checkpointer second(&store_, &source_, after.entry.files, Options(2));
  ASSERT_OK_AND_ASSIGN(const CheckpointDraft again, second.Make());
  EXPECT_EQ(again.entry.files, after.entry.files);
  EXPECT_EQ(store_.Count("file"), 2);
}

TEST_F(CheckpointerTest, AFileOfTheSameNumberAndOtherContentIsAnother) {
  Checkpointer checkpointer(&store_, &source_, {{"3-000010-x-18", "000010.sst", 18, 1}}, Options());
  source_.Commit();
  ASSERT_OK_AND_ASSIGN(const CheckpointDraft draft, checkpointer.Make());
  EXPECT_EQ(draft.uploaded_files, 1);
  EXPECT_NE(draft.entry.files[0].name, "3-000010-x-18");
}

TEST_F(CheckpointerTest, ADamagedFileIsNotUploaded) {
  Checkpointer checkpointer(&store_, &source_, {}, Options());
  source_.SetRot(true);
  EXPECT_THAT(checkpointer.Make(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("000010.sst is damaged")));
  EXPECT_EQ(store_.Count("file"), 0);
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
}

TEST_F(CheckpointerTest, ALargeManifestIsAFile) {
  CheckpointerOptions options = Options();
  options.largest_inline_manifest = 3;
  Checkpointer checkpointer(&store_, &source_, {}, options);
  ASSERT_OK_AND_ASSIGN(const CheckpointDraft draft, checkpointer.Make());
  EXPECT_EQ(draft.entry.manifest, "");
  ASSERT_EQ(draft.entry.files.size(), 2u);
  EXPECT_EQ(draft.entry.files[1].path, "MANIFEST-000005");
  ASSERT_OK_AND_ASSIGN(const std::string bytes, store_.Get(FileKey(draft.entry.files[1].name), {}));
  EXPECT_EQ(bytes, "manifest 1");
}

TEST_F(CheckpointerTest, AFailedUploadIsRepeated) {
  std::atomic<int> failures{0};
  store_.SetHook([&](const MemoryStore::Request& request) {
    const bool fails = request.kind == "file" && !request.answered && failures < 2;
    if (!fails) return absl::OkStatus();
    ++failures;
    return absl::UnavailableError("away");
  });
  Checkpointer checkpointer(&store_, &source_, {}, Options());
  ASSERT_OK_AND_ASSIGN(const CheckpointDraft draft, checkpointer.Make());
  EXPECT_EQ(failures, 2);
  EXPECT_EQ(draft.uploaded_files, 1);
}

TEST_F(CheckpointerTest, StopEndsAnUploadThatIsRepeated) {
  std::atomic<bool> failed{false};
  store_.SetHook([&](const MemoryStore::Request&) {
    failed = true;
    return absl::UnavailableError("away");
  });
  Checkpointer checkpointer(&store_, &source_, {}, Options());
  std::thread stopper([&] {
    const Deadline deadline(absl::Seconds(60));
    while (!failed && !deadline.Passed()) absl::SleepFor(absl::Milliseconds(1));
    checkpointer.Stop();
  });
  EXPECT_THAT(checkpointer.Make(), StatusIs(absl::StatusCode::kCancelled));
  stopper.join();
}

}  // namespace
}  // namespace mooring::archive
