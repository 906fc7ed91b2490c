// A store that ships for longer than its credentials live.
#include <atomic>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "mooring/s3.h"
#include "mooring/store.h"
#include "src/base/steady_clock.h"
#include "tests/servers/fake_s3.h"
#include "tests/store/contract_fixture.h"
#include "tests/testing/hang_guard.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring {
namespace {

const CommitOptions kArchived{Durability::kArchive, absl::InfiniteDuration()};
// Room for a machine that stands still for a while between taking credentials and using them.
constexpr absl::Duration kLife = absl::Seconds(2);

class ArchiveCredentialsTest : public ::testing::Test {
 protected:
  Options OptionsFor(const std::string& volume) {
    std::filesystem::create_directories(directory_.File(volume));
    Options options = testing::SmallOptions(directory_.File(volume));
    options.archive.url = absl::StrCat("s3://bucket/pod?endpoint=", fake_.endpoint());
    options.archive.ship_interval = absl::Milliseconds(20);
    options.archive.takeover_wait = absl::Milliseconds(300);
    options.acquire_timeout = absl::Seconds(60);
    return options;
  }

  testing::HangGuard guard_;
  testing::TempDirectory directory_;
  testing::FakeS3 fake_;
};

// Sessions end by themselves, are ended early in both forms of the refusal, and their source fails
// in between: no commit is refused, and another volume restores all of them.
TEST_F(ArchiveCredentialsTest, NoCommitIsRefusedWhileCredentialsComeAndGo) {
  std::atomic<int> sessions{0};
  S3Options s3;
  s3.credentials = [&]() -> absl::StatusOr<S3Credentials> {
    if (++sessions % 3 == 0) return absl::UnavailableError("the source is away");
    return fake_.BeginSession(kLife);
  };
  EnableS3(s3);
  int committed = 0;
  {
    ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store, Store::Open(OptionsFor("a")));
    ASSERT_OK_AND_ASSIGN(Table table, store->OpenTable("t"));
    const Deadline deadline(absl::Seconds(120));
    for (int ended = 0; sessions < 8 && !deadline.Passed(); ++committed) {
      ASSERT_OK(table.Put(absl::StrCat("key", committed), absl::StrCat(committed), kArchived));
      if (sessions / 2 == ended) continue;
      ++ended;
      const bool bad_request = ended % 2 == 0;
      fake_.set_refusal(bad_request ? 400 : 403,
                        bad_request ? "ExpiredToken" : "ExpiredTokenException");
      fake_.RevokeAll();
    }
    EXPECT_GE(sessions, 8);
    EXPECT_GE(fake_.refusals(), 1);
    const CloseReport report = store->Close(absl::Minutes(2));
    EXPECT_OK(report.status);
    EXPECT_TRUE(report.archived);
  }
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> restored, Store::Open(OptionsFor("b")));
  ASSERT_OK_AND_ASSIGN(Table table, restored->OpenTable("t"));
  for (int i = 0; i < committed; ++i) {
    EXPECT_THAT(table.Get(absl::StrCat("key", i)), testing::Holds(absl::StrCat(i)));
  }
}

}  // namespace
}  // namespace mooring
