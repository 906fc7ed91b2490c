#include "src/archive/pin.h"

#include <atomic>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/base/steady_clock.h"
#include "tests/archive/entries.h"
#include "tests/archive/shipper_world.h"
#include "tests/testing/status_matchers.h"

namespace mooring::archive {
namespace {

using ::mooring::testing::StatusIs;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kMinute = 60'000'000;

class PinTest : public ::testing::Test {
 protected:
  PinTest() {
    options_.now_us = [this] { return now_us_.load(); };
  }
  std::unique_ptr<PinHolder> Take(const std::string& who) {
    auto holder = PinHolder::Take(&store_, who, options_);
    EXPECT_OK(holder);
    return *std::move(holder);
  }
  std::vector<Pin> Read() {
    auto pins = ReadPins(store_, now_us_);
    EXPECT_OK(pins);
    return *std::move(pins);
  }

  MemoryStore store_;
  std::atomic<int64_t> now_us_{1'700'000'000'000'000};
  PinOptions options_;
};

TEST_F(PinTest, HoldsAllUntilItIsNarrowedAndNothingOnceItIsGone) {
  auto holder = Take("a restore\nof pod-0");
  ASSERT_THAT(Read(), SizeIs(1));
  EXPECT_EQ(Read()[0].who, "a restore of pod-0");
  EXPECT_EQ(Read()[0].replay_from, 0);
  EXPECT_EQ(Read()[0].expires_us, now_us_ + 10 * kMinute);

  RestorePlan plan;
  plan.checkpoint =
      std::make_shared<const Entry>(MakeEntry(17, 1, Checkpoint(12, 5, MakeHistory({{1, 1}}))));
  ASSERT_OK(holder->Narrow(plan));
  ASSERT_THAT(Read(), SizeIs(1));
  EXPECT_EQ(Read()[0].checkpoint, 17);
  EXPECT_EQ(Read()[0].replay_from, 12);

  holder.reset();
  EXPECT_THAT(Read(), IsEmpty());
  EXPECT_EQ(store_.Count("delete", kPinsPrefix), 1);
}

// P3. Its owner was killed: nobody renews it.
TEST_F(PinTest, ExpiresAndIsRemovedAnHourLater) {
  const auto holder = Take("killed");
  now_us_ += 10 * kMinute;
  EXPECT_THAT(Read(), IsEmpty());
  EXPECT_EQ(store_.Count("delete", kPinsPrefix), 0);  // It may be about to be renewed.
  now_us_ += 61 * kMinute;
  EXPECT_THAT(Read(), IsEmpty());
  EXPECT_EQ(store_.Count("delete", kPinsPrefix), 1);
}

TEST_F(PinTest, IsRenewedThroughFailures) {
  options_.expiry = absl::Milliseconds(30);
  const auto holder = Take("long");
  store_.SetHook([](const MemoryStore::Request& request) {
    return request.kind == "put" ? absl::UnavailableError("away") : absl::OkStatus();
  });
  const int puts = store_.Count("put");
  const Deadline deadline(absl::Seconds(60));
  while (store_.Count("put") < puts + 3 && !deadline.Passed())
    absl::SleepFor(absl::Milliseconds(1));
  store_.SetHook(nullptr);
  now_us_ += kMinute;
  while (Read().empty() && !deadline.Passed()) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_THAT(Read(), SizeIs(1));
}

TEST_F(PinTest, WaitsForAStoreThatIsAway) {
  std::atomic<int> refusals{3};
  store_.SetHook([&](const MemoryStore::Request&) {
    return refusals-- > 0 ? absl::UnavailableError("away") : absl::OkStatus();
  });
  {
    const auto holder = Take("patient");
    EXPECT_THAT(Read(), SizeIs(1));
  }
  store_.SetHook([](const MemoryStore::Request&) { return absl::PermissionDeniedError("no"); });
  EXPECT_THAT(PinHolder::Take(&store_, "refused", options_),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

// A pin that is not seen is a restore that fails.
TEST_F(PinTest, ReadingFailsWhereOneCannotBeFetched) {
  const auto holder = Take("a");
  store_.SetHook([](const MemoryStore::Request& request) {
    return request.kind == "get" ? absl::UnavailableError("away") : absl::OkStatus();
  });
  EXPECT_THAT(ReadPins(store_, now_us_), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(PinTest, DamagedOnesArePassedOver) {
  const auto holder = Take("good");
  auto listed = store_.List(kPinsPrefix, "", 10, {});
  ASSERT_OK(listed);
  auto bytes = store_.Get(listed->at(0).key, {});
  ASSERT_OK(bytes);
  for (size_t i = 0; i < bytes->size(); ++i) {
    std::string damaged = *bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    ASSERT_OK(store_.Put("pins/damaged", damaged, {}));
    ASSERT_THAT(Read(), SizeIs(1)) << "byte " << i;
    ASSERT_OK(store_.Put("pins/damaged", bytes->substr(0, i), {}));
    ASSERT_THAT(Read(), SizeIs(1)) << "cut at " << i;
  }
}

}  // namespace
}  // namespace mooring::archive
