#include "src/archive/opening.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/archive/entries.h"
#include "tests/testing/status_matchers.h"

// Each row of the table of DESIGN 3.
namespace mooring::archive {
namespace {

using ::mooring::testing::StatusIs;
using ::testing::HasSubstr;

VolumeView Volume(VolumeView::Kind kind, State state = {}) {
  VolumeView volume;
  volume.kind = kind;
  if (kind != VolumeView::Kind::kEmpty) volume.store_id = Id(0x57);
  volume.state = std::move(state);
  return volume;
}

ArchiveView Archive(ArchiveView::Kind kind, State state = {}) {
  ArchiveView archive;
  archive.kind = kind;
  archive.archive_id = Id(0xa);
  if (kind != ArchiveView::Kind::kEmpty) archive.store_id = Id(0x57);
  archive.state = std::move(state);
  return archive;
}

const VolumeView kEmptyVolume = Volume(VolumeView::Kind::kEmpty);

void ExpectAction(const VolumeView& volume, const ArchiveView& archive, OpeningAction action) {
  ASSERT_OK_AND_ASSIGN(const OpeningAction decided, DecideOpening(volume, archive));
  EXPECT_EQ(ToString(decided), ToString(action));
}

void ExpectGood(State volume, State archive, OpeningAction action) {
  ExpectAction(Volume(VolumeView::Kind::kGood, std::move(volume)),
               Archive(ArchiveView::Kind::kState, std::move(archive)), action);
}

TEST(OpeningTest, EmptyVolumeWithoutAnArchiveOrWithAnEmptyOneCreates) {
  ExpectAction(kEmptyVolume, Archive(ArchiveView::Kind::kNone), OpeningAction::kCreate);
  ExpectAction(kEmptyVolume, Archive(ArchiveView::Kind::kEmpty), OpeningAction::kCreate);
}

TEST(OpeningTest, EmptyVolumeRestores) {
  ExpectAction(kEmptyVolume, Archive(ArchiveView::Kind::kState), OpeningAction::kRestore);
}

TEST(OpeningTest, EmptyVolumeWithClaimsOnlyIsRefusedUnlessToldToCreate) {
  const ArchiveView archive = Archive(ArchiveView::Kind::kClaimsOnly);
  EXPECT_THAT(DecideOpening(kEmptyVolume, archive),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("never got a checkpoint")));
  OpeningOptions options;
  options.create_without_state = true;
  ASSERT_OK_AND_ASSIGN(const OpeningAction action, DecideOpening(kEmptyVolume, archive, options));
  EXPECT_EQ(action, OpeningAction::kCreate);
}

TEST(OpeningTest, AVolumeWithoutAnArchiveServes) {
  ExpectAction(Volume(VolumeView::Kind::kGood), Archive(ArchiveView::Kind::kNone),
               OpeningAction::kServe);
}

TEST(OpeningTest, AVolumeFillsAnArchiveThatItNeverSaw) {
  const VolumeView volume = Volume(VolumeView::Kind::kGood);
  ExpectAction(volume, Archive(ArchiveView::Kind::kEmpty), OpeningAction::kUploadFirstCheckpoint);
  ExpectAction(volume, Archive(ArchiveView::Kind::kClaimsOnly),
               OpeningAction::kUploadFirstCheckpoint);
}

TEST(OpeningTest, AVolumeThatContainsTheArchiveIsKept) {
  const History history = MakeHistory({{1, 1}, {2, 5}});
  ExpectGood({history, 9}, {history, 9}, OpeningAction::kKeep);
  ExpectGood({history, 9}, {MakeHistory({{1, 1}}), 4}, OpeningAction::kKeep);
}

TEST(OpeningTest, AVolumeThatIsBehindIsRolledForward) {
  ExpectGood({MakeHistory({{1, 1}}), 4}, {MakeHistory({{1, 1}, {2, 5}}), 9},
             OpeningAction::kRollForward);
}

TEST(OpeningTest, AVolumeThatDivergedIsSetAside) {
  ExpectGood({MakeHistory({{1, 1}}), 6}, {MakeHistory({{1, 1}, {2, 5}}), 9},
             OpeningAction::kSetAsideAndRestore);
  ExpectGood({MakeHistory({{1, 1}, {3, 5}}), 12}, {MakeHistory({{1, 1}, {2, 5}}), 9},
             OpeningAction::kSetAsideAndRestore);
}

TEST(OpeningTest, AClaimWithoutDataMakesNoVolumeStale) {
  ExpectGood({MakeHistory({{1, 1}}), 4}, {MakeHistory({{1, 1}, {2, 5}}), 4}, OpeningAction::kKeep);
}

TEST(OpeningTest, ADamagedVolumeHealsFromTheArchiveOrIsRefused) {
  const VolumeView volume = Volume(VolumeView::Kind::kDamaged);
  ExpectAction(volume, Archive(ArchiveView::Kind::kState), OpeningAction::kHeal);
  EXPECT_THAT(DecideOpening(volume, Archive(ArchiveView::Kind::kNone)),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(DecideOpening(volume, Archive(ArchiveView::Kind::kEmpty)),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST(OpeningTest, ARestoreThatWasCutShortIsResumed) {
  const VolumeView volume = Volume(VolumeView::Kind::kRestoring);
  ExpectAction(volume, Archive(ArchiveView::Kind::kState), OpeningAction::kResumeRestore);
  EXPECT_THAT(DecideOpening(volume, Archive(ArchiveView::Kind::kNone)),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST(OpeningTest, AnArchiveThatLostItsStateOrIsAnotherOneIsRefusedUnlessAdopted) {
  VolumeView volume = Volume(VolumeView::Kind::kGood);
  volume.archive_id = Id(0xa);
  volume.archive_had_state = true;
  VolumeView of_another = volume;
  of_another.archive_id = Id(0xb);
  const ArchiveView empty = Archive(ArchiveView::Kind::kEmpty);
  OpeningOptions adopt;
  adopt.adopt_archive = true;
  for (const VolumeView& view : {volume, of_another}) {
    EXPECT_THAT(DecideOpening(view, empty),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("adopt_archive")));
    ASSERT_OK_AND_ASSIGN(const OpeningAction action, DecideOpening(view, empty, adopt));
    EXPECT_EQ(action, OpeningAction::kUploadFirstCheckpoint);
  }
  EXPECT_THAT(DecideOpening(of_another, Archive(ArchiveView::Kind::kState)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(Id(0xb))));
}

TEST(OpeningTest, AnotherStoresArchiveIsRefused) {
  ArchiveView archive = Archive(ArchiveView::Kind::kState);
  archive.store_id = Id(0x99);
  OpeningOptions adopt;
  adopt.adopt_archive = true;
  EXPECT_THAT(DecideOpening(Volume(VolumeView::Kind::kGood), archive, adopt),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(Id(0x99))));
}

}  // namespace
}  // namespace mooring::archive
