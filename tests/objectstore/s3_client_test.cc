// S3Store against a server that says what each test tells it to.
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "src/base/posix_file.h"
#include "src/base/steady_clock.h"
#include "src/objectstore/s3/s3_store.h"
#include "tests/servers/fault_proxy.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::objectstore {
namespace {

using ::testing::AllOf;
using testing::Fault;
using testing::FaultProxy;
using testing::FaultRule;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::StatusIs;

constexpr char kSecret[] = "hunter2-secret";
constexpr char kToken[] = "hunter2-token";

class S3ClientTest : public ::testing::Test {
 protected:
  void SetUp() override {
    server_ = *FaultProxy::Start("");
    tuning_.attempt_timeout = absl::Seconds(60);
    tuning_.max_attempts = 3;
    tuning_.backoff = absl::Milliseconds(1);
  }

  std::unique_ptr<ObjectStore> Open() {
    std::map<std::string, std::string> variables = {{"AWS_ACCESS_KEY_ID", "the-key-id"},
                                                    {"AWS_SECRET_ACCESS_KEY", kSecret},
                                                    {"AWS_SESSION_TOKEN", kToken}};
    if (!credentials_file_.empty()) {
      variables = {{"AWS_SHARED_CREDENTIALS_FILE", credentials_file_}};
    }
    return *S3Store::Open(
        *ParseUrl(absl::StrCat("s3://bucket/pod?endpoint=", server_->endpoint())),
        [variables](const char* name) {
          const auto found = variables.find(name);
          return found == variables.end() ? "" : found->second;
        },
        tuning_);
  }

  void Answer(int status, std::string body, int count = -1, std::string headers = "") {
    FaultRule rule;
    rule.fault = Fault::kAnswer;
    rule.count = count;
    rule.status = status;
    rule.headers = std::move(headers);
    rule.body = std::move(body);
    server_->Add(rule);
  }
  void AnswerError(int status, std::string_view code, int count = -1) {
    // As AWS does, the server repeats in its message what it was sent.
    Answer(status,
           absl::StrCat("<Error><Code>", std::string(code), "</Code><Message>", kSecret, kToken,
                        "</Message><StringToSign>", kToken, "</StringToSign></Error>"),
           count, "Date: Fri, 24 May 2013 00:00:00 GMT\r\n");
  }
  void Expect(int status, std::string_view error, absl::StatusCode code, std::string_view words) {
    server_->Clear();
    AnswerError(status, error);
    const std::unique_ptr<ObjectStore> store = Open();
    for (const absl::Status& got : {store->Get("key").status(), store->Create("key", "x"),
                                    store->List("", "", 10).status()}) {
      EXPECT_THAT(got,
                  StatusIs(code, AllOf(HasSubstr(std::string(words)), HasSubstr("s3://bucket/pod/"),
                                       Not(HasSubstr("hunter2")), Not(HasSubstr("the-key-id")))));
    }
  }

  std::unique_ptr<FaultProxy> server_;
  S3Tuning tuning_;
  std::string credentials_file_;
};

TEST_F(S3ClientTest, ErrorsSayWhatToDoAndHoldNoSecret) {
  using absl::StatusCode;
  Expect(404, "NoSuchBucket", StatusCode::kFailedPrecondition, "there is no bucket bucket");
  Expect(403, "InvalidAccessKeyId", StatusCode::kUnauthenticated, "AWS_ACCESS_KEY_ID");
  Expect(403, "SignatureDoesNotMatch", StatusCode::kUnauthenticated, "AWS_SECRET_ACCESS_KEY");
  Expect(400, "ExpiredToken", StatusCode::kUnauthenticated, "renew the credentials");
  Expect(403, "RequestTimeTooSkewed", StatusCode::kUnauthenticated,
         "the server's Fri, 24 May 2013 00:00:00 GMT");
  Expect(403, "AccessDenied", StatusCode::kPermissionDenied, "permissions");
  Expect(400, "AuthorizationHeaderMalformed", StatusCode::kFailedPrecondition, "region=");
  Expect(301, "PermanentRedirect", StatusCode::kFailedPrecondition, "region=");
  Expect(501, "NotImplemented", StatusCode::kFailedPrecondition, "conditional creates");
  Expect(403, "QuotaExceeded", StatusCode::kResourceExhausted, "quota");
  Expect(503, "SlowDown", StatusCode::kUnavailable, "HTTP 503, SlowDown");
}

// Something between the client and the store that knows nothing of objects.
TEST_F(S3ClientTest, AnswerOfAStrangerNeverSaysThatAnObjectIsAbsentOrThere) {
  for (const int status : {404, 409, 412, 416, 429, 500, 502, 503, 504}) {
    server_->Clear();
    Answer(status, "<html>nginx</html>");
    const std::unique_ptr<ObjectStore> store = Open();
    EXPECT_THAT(store->Get("key"), StatusIs(absl::StatusCode::kUnavailable)) << status;
    EXPECT_THAT(store->Create("key", "x"), StatusIs(absl::StatusCode::kUnavailable)) << status;
    EXPECT_THAT(store->Delete("key"), StatusIs(absl::StatusCode::kUnavailable)) << status;
  }
}

TEST_F(S3ClientTest, ReadsAreRetriedAndCreatesAreNot) {
  const std::unique_ptr<ObjectStore> store = Open();
  AnswerError(503, "SlowDown", 2);
  Answer(200, "bytes");
  EXPECT_EQ(*store->Get("key"), "bytes");
  EXPECT_EQ(store->traffic().retries, 2);
  EXPECT_EQ(server_->connections(), 1);

  server_->Clear();
  AnswerError(503, "SlowDown");
  const size_t before = server_->seen().size();
  EXPECT_THAT(store->Create("key", "x"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(server_->seen().size(), before + 1);
}

TEST_F(S3ClientTest, ResetCreateIsSentOnce) {
  for (const Fault fault : {Fault::kReset, Fault::kCorruptHead, Fault::kReplyLost}) {
    server_->Clear();
    const std::unique_ptr<ObjectStore> store = Open();
    Answer(200, "", 1);
    ASSERT_OK(store->Create("first", "x"));
    // On the connection that was kept: here libraries like to try again by themselves.
    FaultRule rule;
    rule.fault = fault;
    rule.count = -1;
    server_->Add(rule);
    const size_t before = server_->seen().size();
    EXPECT_THAT(store->Create("second", "x"), StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_EQ(server_->seen().size(), before + 1);
  }
}

TEST_F(S3ClientTest, CreateThatNeverLeftIsSentAgain) {
  const std::string endpoint = server_->endpoint();
  std::unique_ptr<ObjectStore> store = Open();
  server_.reset();
  EXPECT_THAT(store->Create("key", "x"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(endpoint)));
  EXPECT_EQ(store->traffic().retries, 2);
}

TEST_F(S3ClientTest, TimeLimitsHold) {
  FaultRule rule;
  rule.fault = Fault::kHang;
  rule.count = -1;
  server_->Add(rule);
  tuning_.attempt_timeout = absl::Milliseconds(50);
  EXPECT_THAT(Open()->Create("key", "x"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Open()->Get("key"), StatusIs(absl::StatusCode::kUnavailable));
  tuning_.attempt_timeout = absl::Hours(1);
  RequestOptions options;
  options.timeout = absl::Milliseconds(100);
  EXPECT_THAT(Open()->Get("key", options), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(S3ClientTest, CancelEndsWhatIsUnderWay) {
  FaultRule rule;
  rule.fault = Fault::kHang;
  rule.count = -1;
  server_->Add(rule);
  const std::unique_ptr<ObjectStore> store = Open();
  RequestOptions options;
  options.timeout = absl::Hours(1);
  std::thread canceller([&] {
    const Deadline deadline(absl::Seconds(60));
    while (server_->seen().empty() && !deadline.Passed()) std::this_thread::yield();
    store->Cancel();
  });
  EXPECT_THAT(store->Get("key", options), StatusIs(absl::StatusCode::kCancelled));
  canceller.join();
}

TEST_F(S3ClientTest, CancelEndsAPause) {
  AnswerError(503, "SlowDown");
  tuning_.backoff = tuning_.max_backoff = absl::Hours(10);
  const std::unique_ptr<ObjectStore> store = Open();
  RequestOptions options;
  options.timeout = absl::InfiniteDuration();
  std::thread canceller([&] {
    const Deadline deadline(absl::Seconds(60));
    while (store->traffic().retries == 0 && !deadline.Passed()) std::this_thread::yield();
    store->Cancel();
  });
  EXPECT_THAT(store->Get("key", options), StatusIs(absl::StatusCode::kCancelled));
  canceller.join();
}

// The old key is refused while the new one is being written: the request goes out once more.
TEST_F(S3ClientTest, CredentialsThatRotateUnderARequestAreTriedAgain) {
  testing::TempDirectory directory;
  credentials_file_ = directory.File("credentials");
  const auto write = [&](const char* id) {
    return WriteFileDurably(credentials_file_, absl::StrCat("[default]\naws_access_key_id=", id,
                                                            "\naws_secret_access_key=s\n"));
  };
  ASSERT_OK(write("old"));
  const std::unique_ptr<ObjectStore> store = Open();
  AnswerError(403, "InvalidAccessKeyId", 1);
  EXPECT_THAT(store->Create("key", "x"), StatusIs(absl::StatusCode::kUnauthenticated));

  FaultRule held;
  held.fault = Fault::kHold;
  held.status = 403;
  held.body = "<Error><Code>InvalidAccessKeyId</Code></Error>";
  server_->Add(held);
  Answer(200, "");
  std::thread rotation([&] {
    const Deadline deadline(absl::Seconds(60));
    while (server_->seen().size() < 2 && !deadline.Passed()) std::this_thread::yield();
    EXPECT_OK(write("new"));
    server_->Release();
  });
  EXPECT_OK(store->Create("key", "x"));
  rotation.join();
  EXPECT_EQ(store->traffic().requests, 3);
}

TEST_F(S3ClientTest, OtherRangeThanAskedForIsAnError) {
  Answer(206, "01234", -1, "Content-Range: bytes 5-9/10\r\n");
  EXPECT_THAT(Open()->GetRange("key", 0, 5), StatusIs(absl::StatusCode::kFailedPrecondition,
                                                      HasSubstr("does not keep to ranges")));
}

TEST_F(S3ClientTest, LateErrorOfACompletionIsAnError) {
  testing::TempDirectory directory;
  ASSERT_OK(WriteFileDurably(directory.File("f"), std::string(9 << 20, 'x')));
  FaultRule begin;
  begin.fault = Fault::kAnswer;
  begin.status = 200;
  begin.count = -1;
  begin.method = "POST";
  begin.target = "uploads=";
  begin.body =
      "<InitiateMultipartUploadResult><UploadId>7</UploadId></InitiateMultipartUploadResult>";
  server_->Add(begin);
  FaultRule complete = begin;
  complete.target = "uploadId=7";
  complete.body = "<Error><Code>InternalError</Code></Error>";
  server_->Add(complete);
  Answer(200, "");
  EXPECT_THAT(Open()->PutFile("f", directory.File("f")), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(server_->seen().back(), HasSubstr("DELETE /bucket/pod/f?uploadId=7"));
}

}  // namespace
}  // namespace mooring::objectstore
