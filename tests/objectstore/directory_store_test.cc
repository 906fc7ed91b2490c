#include "src/objectstore/directory_store.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "src/base/posix_file.h"
#include "tests/objectstore/contract_test.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::objectstore {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::StatusIs;
using testing::TempDirectory;

class DirectoryPlace : public Place {
 public:
  std::unique_ptr<ObjectStore> Open() override {
    absl::StatusOr<std::unique_ptr<ObjectStore>> store =
        DirectoryStore::Open(directory_.File("archive"));
    EXPECT_OK(store);
    return store.ok() ? *std::move(store) : nullptr;
  }

  void Abandon(const std::string& key) override {
    const std::string name = absl::StrReplaceAll(key, {{"/", "-"}});
    ASSERT_OK(WriteFileDurably(directory_.File("archive/.tmp/") + name, "half an ob"));
  }

 private:
  TempDirectory directory_;
};

INSTANTIATE_TEST_SUITE_P(Directory, ContractTest,
                         ::testing::Values(PlaceKind{
                             "directory", [] { return std::make_unique<DirectoryPlace>(); }}));

class DirectoryStoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<ObjectStore> Open() { return *DirectoryStore::Open(root_); }

  TempDirectory directory_;
  const std::string root_ = directory_.File("archive");
};

void MakeOld(const std::string& path) {
  timespec times[2] = {};
  times[0].tv_sec = times[1].tv_sec = ::time(nullptr) - 2 * 24 * 60 * 60;
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
}

TEST_F(DirectoryStoreTest, LeftoversOfDeadWritersAreRemovedAndThoseOfLivingOnesAreNot) {
  Open();
  ASSERT_OK(WriteFileDurably(root_ + "/.tmp/dead", "half an ob"));
  ASSERT_OK(WriteFileDurably(root_ + "/.tmp/alive", "half an ob"));
  MakeOld(root_ + "/.tmp/dead");
  const std::unique_ptr<ObjectStore> store = Open();
  EXPECT_THAT(*ListDirectory(root_ + "/.tmp"), ::testing::ElementsAre("alive"));
  EXPECT_THAT(*store->List("", "", 10), IsEmpty());
}

TEST_F(DirectoryStoreTest, NothingIsLeftInTheTemporaryDirectory) {
  const std::unique_ptr<ObjectStore> store = Open();
  ASSERT_OK(store->Create("a/b", "x"));
  EXPECT_FALSE(store->Create("a/b", "y").ok());
  ASSERT_OK(store->Put("a/b", "z"));
  ASSERT_OK(store->PutFile("c", root_ + "/a/b"));
  EXPECT_THAT(*ListDirectory(root_ + "/.tmp"), IsEmpty());
}

TEST_F(DirectoryStoreTest, ForeignFilesAreNotListed) {
  const std::unique_ptr<ObjectStore> store = Open();
  ASSERT_EQ(::mkdir((root_ + "/lost+found").c_str(), 0700), 0);
  ASSERT_OK(WriteFileDurably(root_ + "/.nfs0001", "x"));
  ASSERT_OK(WriteFileDurably(root_ + "/read me", "x"));
  EXPECT_THAT(*store->List("", "", 10), IsEmpty());
}

// An archive that is not mounted is no empty archive.
TEST_F(DirectoryStoreTest, VanishedDirectoryIsNotAnEmptyOne) {
  const std::unique_ptr<ObjectStore> store = Open();
  ASSERT_OK(store->Put("a", "x"));
  ASSERT_OK(RenameFile(root_, directory_.File("elsewhere")));
  const auto refused = [](std::string_view words) {
    return StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(std::string(words)));
  };
  EXPECT_THAT(store->Get("a"), refused("unmounted"));
  EXPECT_THAT(store->List("", "", 10), refused("unmounted"));
  ASSERT_OK(MakeDirectoryDurably(root_));
  EXPECT_THAT(store->Get("b"), refused("unmounted"));
  EXPECT_THAT(store->Create("a", "y"), refused("unmounted"));
  EXPECT_THAT(store->Delete("a"), refused("unmounted"));
  EXPECT_THAT(*ListDirectory(root_), IsEmpty());
  ASSERT_OK(RemoveFile(root_ + "/x"));
  ASSERT_EQ(::rmdir(root_.c_str()), 0);
  ASSERT_OK(RenameFile(directory_.File("elsewhere"), root_));
  EXPECT_EQ(*store->Get("a"), "x");
}

TEST_F(DirectoryStoreTest, DirectoryThatSomebodyRemovedIsMadeAgain) {
  const std::unique_ptr<ObjectStore> store = Open();
  ASSERT_OK(store->Put("journal/a", "x"));
  ASSERT_OK(store->Delete("journal/a"));
  ASSERT_EQ(::rmdir((root_ + "/journal").c_str()), 0);
  EXPECT_THAT(store->Create("journal/a", "x"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_OK(store->Create("journal/a", "x"));
}

TEST_F(DirectoryStoreTest, ParentMustBeThere) {
  EXPECT_THAT(DirectoryStore::Open(directory_.File("no/such")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("mounted?")));
}

}  // namespace
}  // namespace mooring::objectstore
