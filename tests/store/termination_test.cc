#include "mooring/termination.h"

#include <signal.h>

#include "gtest/gtest.h"
#include "tests/testing/child_process.h"

namespace mooring {
namespace {

using ::mooring::testing::ChildProcess;

class SignalTest : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(TermAndInt, SignalTest, ::testing::Values(SIGTERM, SIGINT));

TEST_P(SignalTest, CallsOnceOnAThreadOfItsOwn) {
  ChildProcess child({MOORING_STORE_CHILD, "terminate"});
  EXPECT_EQ(child.ReadLine(), "second ALREADY_EXISTS");
  ASSERT_EQ(child.ReadLine(), "ready");
  child.Signal(GetParam());
  EXPECT_EQ(child.ReadLine(), "called on its own thread");
  child.Signal(SIGTERM);
  child.Signal(SIGINT);
  child.CloseInput();
  EXPECT_EQ(child.ReadLine(), "restored") << "and no second call before it";
  EXPECT_EQ(child.ReadLine(), "again OK");
  EXPECT_EQ(child.Wait(), 0);
}

TEST(TerminationTest, TheEarlierHandlersComeBackWithoutASignal) {
  ChildProcess child({MOORING_STORE_CHILD, "terminate"});
  EXPECT_EQ(child.ReadLine(), "second ALREADY_EXISTS");
  ASSERT_EQ(child.ReadLine(), "ready");
  child.CloseInput();
  EXPECT_EQ(child.ReadLine(), "restored");
  EXPECT_EQ(child.ReadLine(), "again OK");
  EXPECT_EQ(child.Wait(), 0);
}

TEST(TerminationTest, OnceItIsGoneTheDefaultActionEndsTheProcess) {
  ChildProcess child({MOORING_STORE_CHILD, "terminate-no-more"});
  ASSERT_EQ(child.ReadLine(), "ready");
  child.Signal(SIGTERM);
  EXPECT_EQ(child.Wait(), -SIGTERM);
}

}  // namespace
}  // namespace mooring
