#include "src/base/status.h"

#include "absl/strings/cord.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mooring {
namespace {

using ::testing::Eq;

// That a write was refused as fenced is told by a payload, so none may be lost on the way.
TEST(StatusTest, AnAnnotationKeepsCodeAndPayloads) {
  absl::Status status = absl::FailedPreconditionError("why");
  status.SetPayload("mooring/fenced", absl::Cord("1"));
  const absl::Status annotated = Annotate(status, "where");
  EXPECT_THAT(annotated.code(), Eq(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(annotated.message(), Eq("where: why"));
  EXPECT_THAT(annotated.GetPayload("mooring/fenced"), Eq(absl::Cord("1")));
  EXPECT_TRUE(Annotate(absl::OkStatus(), "where").ok());
}

}  // namespace
}  // namespace mooring
