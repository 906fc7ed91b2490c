#include "src/base/posix_file.h"

#include <fcntl.h>

#include <string>

#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::StatusIs;

TEST(PosixFileTest, AFileIsReplacedWhole) {
  testing::TempDirectory directory;
  ASSERT_OK(WriteFileDurably(directory.File("a"), "first, and long"));
  ASSERT_OK(WriteFileDurably(directory.File("a"), "second"));
  EXPECT_EQ(*ReadFile(directory.File("a")), "second");
  EXPECT_THAT(*ListDirectory(directory.path()), ElementsAre("a"));
}

TEST(PosixFileTest, ErrorsNameTheCallAndThePath) {
  testing::TempDirectory directory;
  EXPECT_THAT(ReadFile(directory.File("absent")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("open " + directory.path())));
  EXPECT_THAT(ListDirectory(directory.File("absent")), StatusIs(absl::StatusCode::kNotFound));
}

TEST(PosixFileTest, AShortFileSaysHowMuchIsMissing) {
  testing::TempDirectory directory;
  ASSERT_OK(WriteFileDurably(directory.File("a"), "12345"));
  ASSERT_OK_AND_ASSIGN(PosixFile file, PosixFile::Open(directory.File("a"), O_RDONLY));
  char buffer[8];
  EXPECT_THAT(file.ReadAt(2, 8, buffer),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("5 bytes short")));
}

TEST(PosixFileTest, TheDirectoryOfAPath) {
  EXPECT_EQ(DirectoryOf("/a/b"), "/a");
  EXPECT_EQ(DirectoryOf("/a"), "/");
  EXPECT_EQ(DirectoryOf("a"), ".");
}

}  // namespace
}  // namespace mooring
