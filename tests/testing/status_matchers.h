#pragma once

#include <ostream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mooring::testing {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

MATCHER(IsOk, negation ? "is not OK" : "is OK") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).ok();
}

MATCHER_P(StatusIs, code, "has code " + absl::StatusCodeToString(code)) {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).code() == code;
}

MATCHER_P2(StatusIs, code, message, "has code " + absl::StatusCodeToString(code)) {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).code() == code &&
         ::testing::ExplainMatchResult(message, std::string(StatusOf(arg).message()),
                                       result_listener);
}

}  // namespace mooring::testing

#define EXPECT_OK(expression) EXPECT_THAT((expression), ::mooring::testing::IsOk())
#define ASSERT_OK(expression) ASSERT_THAT((expression), ::mooring::testing::IsOk())

// Declares or assigns `target` from a StatusOr, and ends the test where it is an error.
#define ASSERT_OK_AND_ASSIGN(target, expression) \
  MOORING_ASSERT_OK_AND_ASSIGN_IMPL(MOORING_TEST_CONCAT(or_, __LINE__), target, expression)
#define MOORING_TEST_CONCAT(a, b) MOORING_TEST_CONCAT_IMPL(a, b)
#define MOORING_TEST_CONCAT_IMPL(a, b) a##b
#define MOORING_ASSERT_OK_AND_ASSIGN_IMPL(result, target, expression) \
  auto result = (expression);                                         \
  ASSERT_OK(result);                                                  \
  target = std::move(result).value()
