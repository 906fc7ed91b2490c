// The contract on a real gateway, and what a bad network between makes of it (FAULTS row 14).
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/base/posix_file.h"
#include "src/base/random_id.h"
#include "src/base/steady_clock.h"
#include "src/objectstore/s3/s3_store.h"
#include "tests/objectstore/contract_test.h"
#include "tests/servers/fault_proxy.h"
#include "tests/servers/gateway.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::objectstore {
namespace {

using ::testing::AnyOf;
using testing::Fault;
using testing::FaultProxy;
using testing::FaultRule;
using testing::Gateway;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;

Environment EnvironmentOf(const Gateway& gateway) {
  const std::map<std::string, std::string> variables = {
      {"AWS_ACCESS_KEY_ID", gateway.access_key_id},
      {"AWS_SECRET_ACCESS_KEY", gateway.secret_access_key}};
  return [variables](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? "" : found->second;
  };
}

Url UrlAt(const Gateway& gateway, const std::string& endpoint, const std::string& prefix) {
  return *ParseUrl(absl::StrCat("s3://", gateway.bucket, "/", prefix, "?endpoint=", endpoint));
}

std::unique_ptr<ObjectStore> OpenAt(const Gateway& gateway, const std::string& endpoint,
                                    const std::string& prefix, const S3Tuning& tuning = {}) {
  absl::StatusOr<std::unique_ptr<ObjectStore>> store =
      S3Store::Open(UrlAt(gateway, endpoint, prefix), EnvironmentOf(gateway), tuning);
  EXPECT_OK(store);
  return store.ok() ? *std::move(store) : nullptr;
}

class BucketPlace : public Place {
 public:
  // Besides the plain way, the one that differs from it in all: by TLS and by the bucket's own
  // host.
  explicit BucketPlace(bool virtual_tls) : virtual_tls_(virtual_tls) {}
  std::unique_ptr<ObjectStore> Open() override {
    if (!virtual_tls_) return OpenAt(gateway_, gateway_.endpoint, prefix_);
    return OpenAt(gateway_, gateway_.tls_endpoint + "&addressing=virtual&ca=" + gateway_.ca_file,
                  prefix_);
  }
  void Abandon(const std::string& key) override {
    const Environment environment = EnvironmentOf(gateway_);
    const S3Location location =
        *ParseS3Location(UrlAt(gateway_, gateway_.endpoint, prefix_), environment);
    S3Client client(location, MakeCredentialsSource(environment, location, nullptr), S3Tuning());
    S3Request begin;
    begin.method = "POST";
    begin.key = absl::StrCat(prefix_, "/", key);
    begin.query["uploads"] = "";
    ASSERT_OK(client.Send(begin, Deadline(absl::Seconds(60))));
  }
  std::string Missing() const override {
    if (!gateway_.missing.empty() && testing::ServersAreRequired()) ADD_FAILURE();
    return gateway_.missing;
  }

 private:
  const bool virtual_tls_;
  const Gateway gateway_ = testing::FindGateway();
  const std::string prefix_ = absl::StrCat("contract/", RandomId());
};

INSTANTIATE_TEST_SUITE_P(
    Rgw, ContractTest,
    ::testing::Values(PlaceKind{"rgw", [] { return std::make_unique<BucketPlace>(false); }},
                      PlaceKind{"rgw by TLS and virtual host",
                                [] { return std::make_unique<BucketPlace>(true); }}));

class BadNetworkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    gateway_ = testing::FindGateway();
    MOORING_NEED_GATEWAY(gateway_);
    proxy_ = *FaultProxy::Start(gateway_.endpoint);
    S3Tuning tuning;
    tuning.backoff = absl::Milliseconds(5);
    tuning.part_bytes = int64_t{5} << 20;
    store_ = OpenAt(gateway_, proxy_->endpoint(), prefix_, tuning);
    honest_ = OpenAt(gateway_, gateway_.endpoint, prefix_);
  }

  void Inject(Fault fault, std::string method, int count = 1, std::string target = "",
              int status = 503) {
    FaultRule rule;
    rule.fault = fault;
    rule.status = status;
    rule.method = std::move(method);
    rule.target = std::move(target);
    rule.count = count;
    rule.delay = absl::Milliseconds(100);
    proxy_->Add(rule);
  }

  Gateway gateway_;
  std::unique_ptr<FaultProxy> proxy_;
  const std::string prefix_ = absl::StrCat("faults/", RandomId());
  std::unique_ptr<ObjectStore> store_;
  std::unique_ptr<ObjectStore> honest_;
};

TEST_F(BadNetworkTest, BusyGatewayIsAskedAgainButNotToCreate) {
  ASSERT_OK(honest_->Put("a", "x"));
  for (const int status : {429, 503}) {
    proxy_->Clear();
    Inject(Fault::kAnswer, "", 2, "", status);
    EXPECT_EQ(*store_->Get("a"), "x");
    Inject(Fault::kAnswer, "", 2, "", status);
    EXPECT_EQ(store_->List("a", "", 10)->size(), 1);
    Inject(Fault::kAnswer, "", 2, "", status);
    EXPECT_OK(store_->Put("a", "x"));
    Inject(Fault::kAnswer, "", 2, "", status);
    EXPECT_OK(store_->Delete("b"));
    const size_t before = proxy_->seen().size();
    Inject(Fault::kAnswer, "PUT", 1, "", status);
    EXPECT_THAT(store_->Create("c", "x"),
                StatusIs(absl::StatusCode::kUnavailable, HasSubstr(absl::StrCat(status))));
    EXPECT_EQ(proxy_->seen().size(), before + 1);
  }
}

TEST_F(BadNetworkTest, ReadsComeThrough) {
  ASSERT_OK(honest_->Put("a/b", std::string(100000, 'x')));
  for (const Fault fault : {Fault::kDelay, Fault::kReset, Fault::kReplyLost, Fault::kTruncate,
                            Fault::kCorruptHead, Fault::kAnswer}) {
    proxy_->Clear();
    Inject(fault, "GET", 2);
    EXPECT_EQ(store_->Get("a/b")->size(), 100000) << static_cast<int>(fault);
    Inject(fault, "GET", 2);
    EXPECT_EQ(store_->GetRange("a/b", 5, 50000)->size(), 50000);
    Inject(fault, "GET", 2);
    EXPECT_EQ(store_->List("a/", "", 10)->size(), 1);
    EXPECT_THAT(store_->Get("absent"), StatusIs(absl::StatusCode::kNotFound));
  }
}

TEST_F(BadNetworkTest, PutsAndDeletesComeThrough) {
  for (const Fault fault : {Fault::kDelay, Fault::kReset, Fault::kReplyLost, Fault::kAnswer}) {
    proxy_->Clear();
    Inject(fault, "PUT", 2);
    Inject(fault, "DELETE", 2);
    EXPECT_OK(store_->Put("key", absl::StrCat(static_cast<int>(fault))));
    EXPECT_EQ(*honest_->Get("key"), absl::StrCat(static_cast<int>(fault)));
    EXPECT_OK(store_->Delete("key"));
    EXPECT_THAT(honest_->Get("key"), StatusIs(absl::StatusCode::kNotFound));
  }
}

// A5: the caller learns from the object, and nobody says ALREADY_EXISTS of what he made himself.
TEST_F(BadNetworkTest, CreateWithALostReplyIsUnknownAndThere) {
  Inject(Fault::kReplyLost, "PUT");
  EXPECT_THAT(store_->Create("slot", "mine"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(*store_->Get("slot"), "mine");
}

TEST_F(BadNetworkTest, CreateWhoseTimeRanOutIsUnknownAndSentOnce) {
  Inject(Fault::kHold, "PUT");
  RequestOptions options;
  options.timeout = absl::Milliseconds(300);
  EXPECT_THAT(store_->Create("slot", "mine", options),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("slot")));
  EXPECT_EQ(proxy_->seen().size(), 1);
  EXPECT_EQ(store_->traffic().retries, 0);
}

TEST_F(BadNetworkTest, CreateThatWasResetIsUnknownAndAbsent) {
  Inject(Fault::kReset, "PUT");
  EXPECT_THAT(store_->Create("slot", "mine"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(store_->Get("slot"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_OK(store_->Create("slot", "mine"));
}

TEST_F(BadNetworkTest, CreateMayLandAfterItWasGivenUp) {
  Inject(Fault::kLandLate, "PUT");
  EXPECT_THAT(store_->Create("slot", "late"), StatusIs(absl::StatusCode::kUnavailable));
  ASSERT_TRUE(proxy_->WaitUntilLanded(absl::Seconds(60)));
  EXPECT_EQ(*store_->Get("slot"), "late");
  EXPECT_THAT(store_->Create("slot", "mine"), StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST_F(BadNetworkTest, LateCreateDoesNotReplaceTheWinner) {
  Inject(Fault::kLandLate, "PUT");
  EXPECT_THAT(store_->Create("slot", "late"), StatusIs(absl::StatusCode::kUnavailable));
  const absl::Status mine = honest_->Create("slot", "mine");
  ASSERT_TRUE(proxy_->WaitUntilLanded(absl::Seconds(60)));
  EXPECT_EQ(*honest_->Get("slot"), mine.ok() ? "mine" : "late");
}

TEST_F(BadNetworkTest, LargeFilesComeThrough) {
  testing::TempDirectory directory;
  const std::string bytes = Pattern(26 << 20);
  ASSERT_OK(WriteFileDurably(directory.File("source"), bytes));
  Inject(Fault::kReset, "PUT", 2, "partNumber=2");
  Inject(Fault::kReplyLost, "PUT", 1, "partNumber=4");
  Inject(Fault::kReset, "POST", 1, "uploads=");
  Inject(Fault::kTruncate, "GET", 2);
  Inject(Fault::kReset, "GET", 1);
  ASSERT_OK(store_->PutFile("files/f", directory.File("source")));
  ASSERT_OK(store_->GetToFile("files/f", directory.File("target")));
  EXPECT_TRUE(*ReadFile(directory.File("target")) == bytes);
}

// The answer to the completion is lost: the upload is gone, and the object is there.
TEST_F(BadNetworkTest, LostReplyOfACompletionIsNoFailure) {
  testing::TempDirectory directory;
  const std::string bytes(11 << 20, 'x');
  ASSERT_OK(WriteFileDurably(directory.File("source"), bytes));
  Inject(Fault::kReplyLost, "POST", 1, "uploadId=");
  EXPECT_OK(store_->PutFile("files/f", directory.File("source")));
  EXPECT_EQ(honest_->List("files/", "", 1)->at(0).size, bytes.size());
}

TEST_F(BadNetworkTest, ConnectionsAreKept) {
  for (int i = 0; i < 20; ++i) ASSERT_OK(store_->Put(absl::StrCat("k", i), "x"));
  EXPECT_EQ(proxy_->connections(), 1);
}

TEST_F(BadNetworkTest, ManyThreadsShareAsManyConnections) {
  constexpr int kThreads = 16;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 20; ++i) {
        EXPECT_OK(store_->Put(absl::StrCat("k", thread, "/", i), "x"));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(proxy_->connections(), kThreads);
}

}  // namespace
}  // namespace mooring::objectstore
