// Rows 12, 14, 16 and 17 of the fault table on a real S3 gateway: as archive_owners_test and
// archive_faults_test, and for row 14 with a bad network in between.

#include <stdlib.h>

#include <iostream>
#include <memory>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mooring/s3.h"
#include "src/base/random_id.h"
#include "tests/servers/fault_proxy.h"
#include "tests/servers/gateway.h"
#include "tests/simulation/archive_rounds.h"
#include "tests/testing/seed.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::testing {
namespace {

// In the gateway's bucket. The credentials go to the environment, this process's and its
// children's.
class BucketPlace final : public ArchivePlace {
 public:
  BucketPlace(const Gateway& gateway, const std::string& endpoint)
      : bucket_(gateway.bucket), endpoint_(endpoint) {
    ::setenv("AWS_ACCESS_KEY_ID", gateway.access_key_id.c_str(), 1);
    ::setenv("AWS_SECRET_ACCESS_KEY", gateway.secret_access_key.c_str(), 1);
    EnableS3();
  }
  std::string NewArchive() override {
    return absl::StrCat("s3://", bucket_, "/owners/", RandomId(), "?endpoint=", endpoint_);
  }
  absl::Status SetFaults(const std::string& url, const ObjectFaults& faults) override {
    return absl::OkStatus();
  }

 private:
  const std::string bucket_;
  const std::string endpoint_;
};

class ArchiveRgwTest : public ::testing::Test {
 protected:
  void SetUp() override {
    gateway_ = FindGateway();
    MOORING_NEED_GATEWAY(gateway_);
    proxy_ = *FaultProxy::Start(gateway_.endpoint);
    place_ = std::make_unique<BucketPlace>(gateway_, gateway_.endpoint);
    behind_proxy_ = std::make_unique<BucketPlace>(gateway_, proxy_->endpoint());
  }
  ArchiveRounds::Options Rounds() {
    ArchiveRounds::Options options;
    options.place = place_.get();
    options.directory = directory_.path();
    options.seed = seed_;
    return options;
  }
  int Below(int bound) { return static_cast<int>(random_() % static_cast<uint64_t>(bound)); }

  FaultRule AtRandom() {
    constexpr Fault kFaults[] = {Fault::kDelay,    Fault::kReset,    Fault::kReplyLost,
                                 Fault::kLandLate, Fault::kTruncate, Fault::kCorruptHead,
                                 Fault::kAnswer,   Fault::kAnswer};
    constexpr int kFaultCount = sizeof(kFaults) / sizeof(kFaults[0]);
    FaultRule rule;
    rule.fault = kFaults[Below(kFaultCount)];
    rule.count = Below(3) == 0 ? -1 : 1 + Below(20);
    rule.delay = absl::Milliseconds(1 + Below(100));
    rule.status = Below(2) == 0 ? 503 : 429;
    return rule;
  }

  Gateway gateway_;
  const uint64_t seed_ = TestSeed();
  std::mt19937_64 random_{seed_};
  const TempDirectory directory_;
  std::unique_ptr<FaultProxy> proxy_;
  std::unique_ptr<BucketPlace> place_;
  std::unique_ptr<BucketPlace> behind_proxy_;
};

// Row 12.
TEST_F(ArchiveRgwTest, WithTheVolumeLostUnderLoadNothingArchivedIs) {
  EXPECT_OK(ArchiveRounds(Rounds()).LostVolumes(TestTrials(4)));
}

// Row 16.
TEST_F(ArchiveRgwTest, NoWordOfAZombieCounts) {
  EXPECT_OK(ArchiveRounds(Rounds()).Zombies(TestTrials(10)));
}

// Row 17.
TEST_F(ArchiveRgwTest, OfRacingOwnersOneWins) {
  ArchiveRounds::Options options = Rounds();
  options.rounds_per_archive = 10;
  EXPECT_OK(ArchiveRounds(options).Races(TestTrials(20)));
}

// Row 14.
TEST_F(ArchiveRgwTest, WithABadNetworkTheServiceGoesOnAndAfterwardsAllShipsOnce) {
  const int trials = TestTrials(16);
  ArchiveOwners::Options options;
  options.url = behind_proxy_->NewArchive();
  options.seed = seed_;
  options.arguments = {"archive_timeout_us=300000"};
  ArchiveOwners owners(options);
  OwnerOptions on;
  on.volume = directory_.File("volume");
  Owner* const owner = owners.Start(on);
  ASSERT_OK(owners.AwaitArchived(owner, 1));
  for (int trial = 0; trial < trials; ++trial) {
    SCOPED_TRACE(trial);
    proxy_->Add(AtRandom());
    const int enough = owner->on_volume + 20;
    ASSERT_OK(owners.Await("commits on the volume", [&] {
      return owner->on_volume >= enough || owner->Refused() || owner->gone;
    }));
    ASSERT_GE(owner->on_volume, enough) << owner->refusal;
    ASSERT_OK(owners.Listen(absl::Microseconds(Below(200000))));
    proxy_->Clear();
    const absl::StatusOr<absl::StatusCode> archived = owners.AskArchived(owner, owner->newest);
    ASSERT_OK(archived);
    ASSERT_EQ(*archived, absl::StatusCode::kOk);
  }
  ASSERT_OK(owners.Close(owner));
  EXPECT_TRUE(owner->closed_archived);
  ASSERT_OK(owners.JudgeAll(directory_.File("judge")));
  ASSERT_OK(JudgeJournal(options.url));
  std::cout << trials << " trials with a bad network, " << owners.oracle().archived() << " of "
            << owners.oracle().acknowledged() << " acknowledged were archived, 0 lost" << std::endl;
}

}  // namespace
}  // namespace mooring::testing
