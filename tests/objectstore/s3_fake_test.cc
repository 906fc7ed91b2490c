// The contract on a server in memory, and lists that are cut in the ways that servers may.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/base/steady_clock.h"
#include "src/objectstore/s3/s3_store.h"
#include "tests/objectstore/contract_test.h"
#include "tests/servers/fake_s3.h"
#include "tests/testing/status_matchers.h"

namespace mooring::objectstore {
namespace {

using ::testing::ElementsAre;
using testing::FakeS3;
using testing::Fault;
using testing::FaultRule;
using ::testing::HasSubstr;
using testing::StatusIs;

std::string Nothing(const char*) { return ""; }

// A client of the fake with credentials that do not expire.
class FakeBucket {
 public:
  std::unique_ptr<ObjectStore> Open() {
    S3Tuning tuning;
    tuning.backoff = absl::Milliseconds(1);
    return *S3Store::Open(Location(), Nothing, tuning, Options());
  }
  Url Location() const {
    return *ParseUrl(absl::StrCat("s3://bucket/pod?endpoint=", fake_.endpoint()));
  }
  S3Options Options() const {
    return {[credentials = credentials_] { return credentials; }};
  }
  void Abandon(const std::string& key) {
    const S3Location location = *ParseS3Location(Location(), Nothing);
    S3Client client(location, MakeCredentialsSource(Nothing, location, Options().credentials),
                    S3Tuning());
    S3Request begin;
    begin.method = "POST";
    begin.key = "pod/" + key;
    begin.query["uploads"] = "";
    ASSERT_OK(client.Send(begin, Deadline(absl::Seconds(60))));
  }
  FakeS3& fake() { return fake_; }

 private:
  mutable FakeS3 fake_;
  const S3Credentials credentials_ = fake_.BeginSession(absl::InfiniteDuration());
};

class FakePlace : public Place {
 public:
  std::unique_ptr<ObjectStore> Open() override { return bucket_.Open(); }
  void Abandon(const std::string& key) override { bucket_.Abandon(key); }

 private:
  FakeBucket bucket_;
};

INSTANTIATE_TEST_SUITE_P(Fake, ContractTest,
                         ::testing::Values(PlaceKind{
                             "fake", [] { return std::make_unique<FakePlace>(); }}));

class S3ListingTest : public ::testing::Test {
 protected:
  void Fill(int objects) {
    for (int i = 0; i < objects; ++i) bucket_.fake().Insert(absl::StrCat("pod/k/", 1000 + i));
  }
  std::vector<std::string> Keys(int limit = 10000) {
    std::vector<std::string> keys;
    const absl::StatusOr<std::vector<ObjectInfo>> objects = store_->List("k/", "", limit);
    EXPECT_OK(objects);
    if (!objects.ok()) return keys;
    for (const ObjectInfo& object : *objects) keys.push_back(object.key);
    EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
    return keys;
  }

  FakeBucket bucket_;
  const std::unique_ptr<ObjectStore> store_ = bucket_.Open();
};

TEST_F(S3ListingTest, EmptyPageIsNotTheEnd) {
  Fill(57);
  bucket_.fake().CutPages(7, true);
  EXPECT_EQ(Keys().size(), 57);
  EXPECT_EQ(Keys(30).size(), 30);
}

TEST_F(S3ListingTest, KeysThatVanishBetweenPagesTakeNoOthersWithThem) {
  Fill(100);
  bucket_.fake().CutPages(10, false);
  // Of each page the last key, by which the list goes on, and the next page's first ones.
  bucket_.fake().set_after_page(
      [this](const std::string& last) { bucket_.fake().Erase(last, last + "~"); });
  EXPECT_EQ(Keys().size(), 100);
  bucket_.fake().set_after_page(nullptr);
  EXPECT_EQ(Keys().size(), 90);
}

TEST_F(S3ListingTest, ForeignKeysAreSteppedOver) {
  Fill(3);
  for (const char* key : {"pod/k/1000 copy", "pod/k/1000\x01", "pod/k/a+b%2F", "pod/k/"}) {
    bucket_.fake().Insert(key);
  }
  bucket_.fake().CutPages(1, false);
  EXPECT_THAT(Keys(), ElementsAre("k/1000", "k/1001", "k/1002"));
  EXPECT_THAT(Keys(2), ElementsAre("k/1000", "k/1001"));
}

TEST_F(S3ListingTest, ListThatDoesNotGoOnIsAnErrorAndNotShort) {
  FaultRule rule;
  rule.fault = Fault::kAnswer;
  rule.status = 200;
  rule.count = -1;
  rule.body =
      "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t"
      "</NextContinuationToken></ListBucketResult>";
  bucket_.fake().proxy().Add(rule);
  EXPECT_THAT(store_->List("", "", 10),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("does not go on")));
}

TEST_F(S3ListingTest, AbandonedUploadsAreFoundOnEveryPageAndOthersAreLeftAlone) {
  for (int i = 0; i < 25; ++i) bucket_.Abandon(absl::StrCat("files/", i % 5));
  bucket_.Abandon("other/x");
  bucket_.Abandon("files/not ours");
  bucket_.fake().CutPages(4, false);
  // One and the same second may still be younger than an age of zero.
  EXPECT_EQ(*store_->RemoveAbandoned("files/", absl::Seconds(-5)), 25);
  EXPECT_EQ(bucket_.fake().uploads(), 2);
  EXPECT_EQ(*store_->RemoveAbandoned("", absl::Seconds(-5)), 1);
  EXPECT_EQ(bucket_.fake().uploads(), 1);
}

}  // namespace
}  // namespace mooring::objectstore
