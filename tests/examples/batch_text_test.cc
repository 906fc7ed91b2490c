#include "examples/catalog/batch_text.h"

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mooring/store.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace catalog {
namespace {

using ::mooring::testing::StatusIs;
using ::testing::Eq;
using ::testing::HasSubstr;

class BatchTextTest : public ::testing::Test {
 protected:
  void SetUp() override {
    mooring::Options options;
    options.volume = directory_.path();
    options.allow_unsafe_volume = true;
    ASSERT_OK_AND_ASSIGN(store_, mooring::Store::Open(options));
    ASSERT_OK_AND_ASSIGN(items_, store_->OpenTable("items"));
  }

  absl::Status Apply(const std::string& body) {
    const absl::StatusOr<mooring::WriteBatch> batch = ParseBatch(items_, body);
    return batch.ok() ? store_->Commit(*batch).status() : batch.status();
  }

  std::string Read(const std::string& key) {
    const absl::StatusOr<mooring::Value> value = items_.Get(key);
    return value.ok() ? value->ToString() : absl::StatusCodeToString(value.status().code());
  }

  mooring::testing::TempDirectory directory_;
  std::unique_ptr<mooring::Store> store_;
  mooring::Table items_;
};

TEST_F(BatchTextTest, OperationsApplyInTheirOrder) {
  ASSERT_OK(Apply("put pear 4\nripe\nput apple 5\ngreen\ndelete pear\n"));
  EXPECT_THAT(Read("apple"), Eq("green"));
  EXPECT_THAT(Read("pear"), Eq("NOT_FOUND"));
}

TEST_F(BatchTextTest, ValuesMayHoldAnything) {
  const std::string value("delete pear\n\0\n", 14);
  ASSERT_OK(Apply("put a%20b 14\n" + value + "\nput empty 0\n\n"));
  EXPECT_THAT(Read("a b"), Eq(value));
  EXPECT_THAT(Read("empty"), Eq(""));
}

TEST_F(BatchTextTest, NoOperationChangesNothing) { EXPECT_OK(Apply("")); }

TEST_F(BatchTextTest, WhatBreaksTheGrammarIsNamedAndNothingIsApplied) {
  for (const char* second :
       {"place a 1\nx\n", "put a 1", "put a 2\nx\n", "put a 1\nxy\n", "put a -1\n\n",
        "put a 1x\nx\n", "put  1\nx\n", "put a%2 1\nx\n", "put a 99999999999999999999\nx\n",
        "delete\n", "delete a", "delete \n", "put a 1\nx"}) {
    EXPECT_THAT(Apply(std::string("put first 1\nx\n") + second),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("operation 2 ")))
        << second;
  }
  EXPECT_THAT(Read("first"), Eq("NOT_FOUND"));
}

}  // namespace
}  // namespace catalog
