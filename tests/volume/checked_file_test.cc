#include "src/volume/checked_file.h"

#include <string>

#include "src/base/posix_file.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::volume {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

constexpr char kKind[] = "mooring volume";

CheckedFile Example() {
  return {kKind, 1, {{"store", "0123456789abcdef0123456789abcdef"}, {"state", "complete"}}};
}

// The worked example of FORMAT.md.
TEST(CheckedFileTest, LooksAsTheFormatPageDrawsIt) {
  testing::TempDirectory directory;
  ASSERT_OK(WriteCheckedFile(directory.File("f"), Example()));
  const std::string text = *ReadFile(directory.File("f"));
  EXPECT_THAT(text, ::testing::StartsWith("mooring volume\nformat 1\nstate complete\n"
                                          "store 0123456789abcdef0123456789abcdef\ncrc32c "));
  ASSERT_OK_AND_ASSIGN(const CheckedFile read, ReadCheckedFile(directory.File("f"), kKind, 1));
  EXPECT_EQ(read.fields, Example().fields);
}

TEST(CheckedFileTest, EveryFlippedBitIsFound) {
  testing::TempDirectory directory;
  ASSERT_OK(WriteCheckedFile(directory.File("f"), Example()));
  const std::string good = *ReadFile(directory.File("f"));
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    ASSERT_OK(WriteFileDurably(directory.File("f"), bad));
    EXPECT_THAT(ReadCheckedFile(directory.File("f"), kKind, 1),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr(directory.File("f"))))
        << "bit " << bit;
  }
}

TEST(CheckedFileTest, EveryTruncationIsFound) {
  testing::TempDirectory directory;
  ASSERT_OK(WriteCheckedFile(directory.File("f"), Example()));
  const std::string good = *ReadFile(directory.File("f"));
  for (size_t size = 0; size < good.size(); ++size) {
    ASSERT_OK(WriteFileDurably(directory.File("f"), good.substr(0, size)));
    EXPECT_THAT(ReadCheckedFile(directory.File("f"), kKind, 1),
                StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST(CheckedFileTest, ANewerFormatIsRefusedByItsNumber) {
  testing::TempDirectory directory;
  CheckedFile newer = Example();
  newer.format = 7;
  ASSERT_OK(WriteCheckedFile(directory.File("f"), newer));
  EXPECT_THAT(ReadCheckedFile(directory.File("f"), kKind, 1),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("format 7")));
}

TEST(CheckedFileTest, AnotherKindIsNotTaken) {
  testing::TempDirectory directory;
  ASSERT_OK(WriteCheckedFile(directory.File("f"), Example()));
  EXPECT_THAT(ReadCheckedFile(directory.File("f"), "mooring epoch", 1),
              StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace mooring::volume
