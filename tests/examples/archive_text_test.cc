#include "examples/catalog/archive_text.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace catalog {
namespace {

using ::testing::Eq;
using ::testing::HasSubstr;

TEST(ArchiveTextTest, SaysHowFarTheStateIsArchived) {
  mooring::ArchiveStatus status;
  status.state = mooring::ArchiveStatus::State::kShipping;
  status.archived = mooring::Version{3, 17};
  status.lag = absl::Milliseconds(12);
  status.lag_bytes = 4096;
  status.head = 9;
  status.last_checkpoint = 5;
  status.checkpoint_bytes = 70000;
  status.requests = 31;
  status.bytes_sent = 81000;
  EXPECT_THAT(ToJson(status),
              Eq(R"({"state":"shipping","archived":"3.17","lag_ms":12,"lag_bytes":4096,"head":9,)"
                 R"("last_checkpoint":5,"checkpoint_bytes":70000,"requests":31,"bytes_sent":81000,)"
                 R"("last_error":""})"));
}

TEST(ArchiveTextTest, ALagIsRoundedUpForNoneSaysThatNothingIsMissing) {
  mooring::ArchiveStatus status;
  status.lag = absl::Microseconds(1);
  EXPECT_THAT(ToJson(status), HasSubstr(R"("lag_ms":1,)"));
  EXPECT_THAT(ToJson({}), HasSubstr(R"({"state":"none","archived":null,"lag_ms":0,)"));
}

TEST(ArchiveTextTest, AnErrorIsQuotedForJson) {
  mooring::ArchiveStatus status;
  status.last_error = absl::UnavailableError("no \"b\\\n");
  EXPECT_THAT(ToJson(status), HasSubstr(R"("last_error":"UNAVAILABLE: no \"b\\\u000a"})"));
}

}  // namespace
}  // namespace catalog
