// Credentials over time: where they come from, when they are renewed, and what a refusal does.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "src/base/posix_file.h"
#include "src/base/steady_clock.h"
#include "src/objectstore/s3/credentials.h"
#include "src/objectstore/s3/credentials_servers.h"
#include "src/objectstore/s3/s3_store.h"
#include "tests/servers/fake_s3.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::objectstore {
namespace {

using ::testing::AllOf;
using testing::FakeS3;
using testing::Fault;
using testing::FaultRule;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::StatusIs;
using testing::TempDirectory;
using Variables = std::map<std::string, std::string>;

Environment Of(Variables variables) {
  return [variables](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? "" : found->second;
  };
}

Credentials Keys(std::string id, std::string secret, std::string token = "",
                 absl::Time expiry = absl::InfiniteFuture()) {
  return {std::move(id), std::move(secret), std::move(token), expiry};
}

Deadline Soon() { return Deadline(absl::Seconds(60)); }

std::unique_ptr<CredentialsProvider> ProviderOf(Variables variables) {
  return std::make_unique<CredentialsProvider>(
      MakeCredentialsSource(Of(std::move(variables)), S3Location(), nullptr));
}

std::string ProfileOf(const Credentials& credentials) {
  return absl::StrCat("[default]\naws_access_key_id=", credentials.access_key_id,
                      "\naws_secret_access_key=", credentials.secret_access_key,
                      "\naws_session_token=", credentials.session_token, "\n");
}

TEST(CredentialsTest, EnvironmentComesBeforeTheFile) {
  const auto provider = ProviderOf({{"AWS_ACCESS_KEY_ID", "id"},
                                    {"AWS_SECRET_ACCESS_KEY", "secret"},
                                    {"AWS_SESSION_TOKEN", "token"},
                                    {"AWS_SHARED_CREDENTIALS_FILE", "/does/not/exist"}});
  EXPECT_TRUE(SameKeys(*provider->Get(Soon()), Keys("id", "secret", "token")));
}

TEST(CredentialsTest, FileIsReadAgainWhenItRotates) {
  TempDirectory directory;
  const std::string path = directory.File("credentials");
  const auto write = [&](std::string_view text) { ASSERT_OK(WriteFileDurably(path, text)); };
  const auto provider =
      ProviderOf({{"AWS_SHARED_CREDENTIALS_FILE", path}, {"AWS_PROFILE", "orders"}});
  EXPECT_THAT(provider->Get(Soon()),
              StatusIs(absl::StatusCode::kUnauthenticated,
                       AllOf(HasSubstr(path), HasSubstr("AWS_ACCESS_KEY_ID"))));
  write("[default]\naws_access_key_id = no\naws_secret_access_key = hunter2\n");
  EXPECT_THAT(provider->Get(Soon()),
              StatusIs(absl::StatusCode::kUnauthenticated,
                       AllOf(HasSubstr("profile orders"), Not(HasSubstr("hunter2")))));
  write(
      "# a comment\n[default]\naws_access_key_id = no\n[orders]\n"
      "aws_access_key_id = id1\n aws_secret_access_key=a=b/c+d\naws_session_token = t\n[x]\n");
  EXPECT_TRUE(SameKeys(*provider->Get(Soon()), Keys("id1", "a=b/c+d", "t")));
  write("[orders]\naws_access_key_id = id2\naws_secret_access_key = second\n");
  EXPECT_TRUE(SameKeys(*provider->Get(Soon()), Keys("id2", "second")));
  // Half written, then gone: the last ones stand.
  write("[orders]\naws_access_key_id = id3\n");
  EXPECT_EQ(provider->Get(Soon())->access_key_id, "id2");
  ASSERT_OK(RemoveFile(path));
  EXPECT_EQ(provider->Get(Soon())->access_key_id, "id2");
}

// As a mounted secret rotates: the file's own path stays, a symlink on the way is replaced.
TEST(CredentialsTest, MountedSecretRotatesByItsSymlink) {
  TempDirectory directory;
  const auto mount = [&](const std::string& version, const Credentials& credentials) {
    ASSERT_EQ(::mkdir(directory.File(version).c_str(), 0700), 0);
    // Of one size and one time, so that only the place differs.
    const std::string file = directory.File(version + "/credentials");
    ASSERT_OK(WriteFileDurably(file, ProfileOf(credentials)));
    const timespec times[2] = {{1000, 0}, {1000, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, file.c_str(), times, 0), 0);
    ASSERT_EQ(::symlink(version.c_str(), directory.File("..data_tmp").c_str()), 0);
    ASSERT_OK(RenameFile(directory.File("..data_tmp"), directory.File("..data")));
  };
  mount("..1", Keys("id1", "s1"));
  ASSERT_EQ(::symlink("..data/credentials", directory.File("credentials").c_str()), 0);
  const auto provider =
      ProviderOf({{"AWS_SHARED_CREDENTIALS_FILE", directory.File("credentials")}});
  EXPECT_EQ(provider->Get(Soon())->access_key_id, "id1");
  mount("..2", Keys("id2", "s2"));
  EXPECT_EQ(provider->Get(Soon())->access_key_id, "id2");
}

// A source whose answers the test gives, on a clock of the test's.
class ScriptedSource final : public CredentialsSource {
 public:
  absl::StatusOr<Credentials> Fetch(const Deadline&) override {
    ++fetches;
    if (on_fetch != nullptr) on_fetch();
    absl::MutexLock lock(&mutex);
    return answer;
  }
  const std::string& name() const override { return name_; }

  std::atomic<int> fetches{0};
  std::function<void()> on_fetch;
  absl::Mutex mutex;
  absl::StatusOr<Credentials> answer = absl::UnavailableError("the source is away");

 private:
  const std::string name_ = "the script";
};

class CredentialsProviderTest : public ::testing::Test {
 protected:
  void Answer(absl::StatusOr<Credentials> answer) {
    absl::MutexLock lock(&source_->mutex);
    source_->answer = std::move(answer);
  }
  std::string Id() {
    const absl::StatusOr<Credentials> got = provider_.Get(Soon());
    return got.ok() ? got->access_key_id : std::string(got.status().message());
  }
  absl::Time Now() const { return absl::FromUnixSeconds(now_s_); }

  std::atomic<int64_t> now_s_{1'000'000};
  ScriptedSource* const source_ = new ScriptedSource;
  CredentialsProvider provider_{std::unique_ptr<CredentialsSource>(source_),
                                [this] { return Now(); }};
};

TEST_F(CredentialsProviderTest, RenewsAheadOfExpiryAndNotBeforeItIsTime) {
  Answer(Keys("a", "s", "t", Now() + absl::Hours(1)));
  EXPECT_EQ(Id(), "a");
  Answer(Keys("b", "s", "t", Now() + absl::Hours(2)));
  now_s_ += 2510;  // Below 70 % of an hour.
  EXPECT_EQ(Id(), "a");
  EXPECT_EQ(source_->fetches, 1);
  now_s_ += 560;  // Beyond 85 %.
  EXPECT_EQ(Id(), "b");
  EXPECT_EQ(source_->fetches, 2);
}

TEST_F(CredentialsProviderTest, OldOnesServeUntilTheyExpireWhileTheSourceIsAway) {
  Answer(Keys("a", "s", "t", Now() + absl::Hours(1)));
  EXPECT_EQ(Id(), "a");
  Answer(absl::UnavailableError("the source is away"));
  now_s_ += 3200;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Id(), "a");
  EXPECT_EQ(source_->fetches, 2);  // It is not asked at each request.
  now_s_ += 60;
  EXPECT_EQ(Id(), "a");
  EXPECT_EQ(source_->fetches, 3);
  now_s_ += 341;
  EXPECT_EQ(Id(), "the source is away");
  Answer(Keys("b", "s", "t", Now() + absl::Hours(1)));
  EXPECT_EQ(Id(), "b");
}

TEST_F(CredentialsProviderTest, OneRenewsAndTheOthersGoOnWithTheOldOnes) {
  Answer(Keys("a", "s", "t", Now() + absl::Hours(1)));
  EXPECT_EQ(Id(), "a");
  now_s_ += 3200;
  Answer(Keys("b", "s", "t", Now() + absl::Hours(1)));
  std::atomic<bool> others_are_done{false};
  std::atomic<bool> fetching{false};
  source_->on_fetch = [&] {
    fetching = true;
    const Deadline deadline = Soon();
    while (!others_are_done && !deadline.Passed()) std::this_thread::yield();
  };
  std::thread renewing([&] { EXPECT_EQ(Id(), "b"); });
  const Deadline deadline = Soon();
  while (!fetching && !deadline.Passed()) std::this_thread::yield();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Id(), "a");
  others_are_done = true;
  renewing.join();
  EXPECT_EQ(source_->fetches, 2);
}

TEST_F(CredentialsProviderTest, WhoHasNoneWaitsForOneFetchOfAll) {
  constexpr int kThreads = 8;
  std::atomic<int> begun{0};
  source_->on_fetch = [&] {
    const Deadline deadline = Soon();
    while (begun < kThreads && !deadline.Passed()) std::this_thread::yield();
    absl::SleepFor(absl::Milliseconds(50));
  };
  Answer(Keys("a", "s", "t", Now() + absl::Hours(1)));
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      ++begun;
      EXPECT_EQ(Id(), "a");
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(source_->fetches, 1);
}

TEST_F(CredentialsProviderTest, WhatIsRefusedForGoodAsksTheSourceOnceAndNotEachTime) {
  const Credentials refused = Keys("a", "s", "t", Now() + absl::Hours(1));
  Answer(refused);
  EXPECT_EQ(Id(), "a");
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(provider_.Replace(refused, Soon()));
  EXPECT_LE(source_->fetches, 4);  // Few, also where this takes many seconds.
}

TEST_F(CredentialsProviderTest, CredentialsThatAreOverAlreadyAreRefusedWithBothTimes) {
  Answer(Keys("a", "hunter2", "t", Now() - absl::Hours(1)));
  EXPECT_THAT(provider_.Get(Soon()),
              StatusIs(absl::StatusCode::kUnauthenticated,
                       AllOf(HasSubstr("the script"), HasSubstr("1970-01-12T12:46:40"),
                             HasSubstr("1970-01-12T13:46:40"), Not(HasSubstr("hunter2")))));
}

// A store and a server whose keys come and go.
class CredentialsOverTimeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    tuning_.backoff = absl::Milliseconds(1);
    fake_.set_token("hunter2-token");
    token_file_ = directory_.File("token");
    ASSERT_OK(WriteFileDurably(token_file_, "hunter2-token\n"));
  }
  std::unique_ptr<ObjectStore> Open(Variables variables, S3Options options = {}) {
    return *S3Store::Open(*ParseUrl(absl::StrCat("s3://bucket/pod?endpoint=", fake_.endpoint())),
                          Of(std::move(variables)), tuning_, options);
  }
  Variables WebIdentityVariables() const {
    return {{"AWS_WEB_IDENTITY_TOKEN_FILE", token_file_},
            {"AWS_ROLE_ARN", "arn:aws:iam::1:role/orders"},
            {"AWS_ENDPOINT_URL_STS", fake_.sts_endpoint()}};
  }
  // Writes for `time`, from a few threads, and expects that nothing is refused.
  void WriteFor(ObjectStore& store, absl::Duration time) {
    const Deadline deadline(time);
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 3; ++thread) {
      threads.emplace_back([&, thread] {
        for (int i = 0; !deadline.Passed() && !HasFailure(); ++i) {
          EXPECT_OK(store.Create(absl::StrCat("k", thread, "/", created_++), "x"));
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  TempDirectory directory_;
  std::string token_file_;
  FakeS3 fake_;
  S3Tuning tuning_;
  std::atomic<int> created_{0};
};

TEST_F(CredentialsOverTimeTest, WritersOutliveTheSessionsOfAWebIdentity) {
  fake_.set_session_life(absl::Seconds(3));
  const std::unique_ptr<ObjectStore> store = Open(WebIdentityVariables());
  const Deadline deadline = Soon();
  while (fake_.sessions() < 3 && !deadline.Passed()) WriteFor(*store, absl::Milliseconds(200));
  EXPECT_GE(fake_.sessions(), 3);
}

// Both forms of the refusal, and those after a rotation.
TEST_F(CredentialsOverTimeTest, RefusedCredentialsAreRenewedOnceAndTheRequestIsSentAgain) {
  const std::unique_ptr<ObjectStore> store = Open(WebIdentityVariables());
  ASSERT_OK(store->Put("a", "x"));
  int sessions = 1;
  const std::pair<int, const char*> refusals[] = {
      {400, "ExpiredToken"},          {403, "ExpiredTokenException"}, {403, "InvalidAccessKeyId"},
      {403, "SignatureDoesNotMatch"}, {403, "InvalidToken"},          {403, "AccessDenied"}};
  for (const auto& [status, code] : refusals) {
    // Each on a store of its own: what was just renewed is not renewed again at once.
    const std::unique_ptr<ObjectStore> own = Open(WebIdentityVariables());
    ASSERT_OK(own->Put("a", "x"));
    EXPECT_EQ(fake_.sessions(), ++sessions);
    fake_.set_refusal(status, code);
    fake_.RevokeAll();
    const size_t before = fake_.proxy().seen().size();
    EXPECT_OK(own->Create(code, "x")) << code;
    EXPECT_EQ(fake_.sessions(), ++sessions) << code;
    // Refused, a new session, sent again.
    EXPECT_EQ(fake_.proxy().seen().size(), before + 3) << code;
    EXPECT_EQ(own->traffic().retries, 1);
  }
}

TEST_F(CredentialsOverTimeTest, WrongClockIsNoReasonToRenew) {
  const std::unique_ptr<ObjectStore> store = Open(WebIdentityVariables());
  ASSERT_OK(store->Put("a", "x"));
  fake_.set_refusal(403, "RequestTimeTooSkewed");
  fake_.RevokeAll();
  EXPECT_THAT(store->Put("a", "x"),
              StatusIs(absl::StatusCode::kUnauthenticated, HasSubstr("clock")));
  EXPECT_EQ(fake_.sessions(), 1);
}

// A stranger's 403 does not say that nothing was done.
TEST_F(CredentialsOverTimeTest, RefusalWithoutAReasonIsNotSentAgain) {
  const std::unique_ptr<ObjectStore> store = Open(WebIdentityVariables());
  ASSERT_OK(store->Put("a", "x"));
  FaultRule stranger;
  stranger.fault = Fault::kAnswer;
  stranger.method = "PUT";
  stranger.status = 403;
  stranger.body = "<html>a wall</html>";
  fake_.proxy().Add(stranger);
  EXPECT_THAT(store->Create("b", "x"), StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_EQ(fake_.sessions(), 1);
  EXPECT_EQ(store->traffic().retries, 0);
}

TEST_F(CredentialsOverTimeTest, RefusalsNameTheSourceAndHoldNoSecret) {
  ASSERT_OK(WriteFileDurably(token_file_, "hunter2-wrong"));
  const std::unique_ptr<ObjectStore> store = Open(WebIdentityVariables());
  EXPECT_THAT(store->Put("a", "x"),
              StatusIs(absl::StatusCode::kUnauthenticated,
                       AllOf(HasSubstr("web identity for role arn:aws:iam::1:role/orders"),
                             HasSubstr("InvalidIdentityToken"), HasSubstr(token_file_),
                             Not(HasSubstr("hunter2")))));
  // The token is read anew each time.
  ASSERT_OK(WriteFileDurably(token_file_, "hunter2-token"));
  EXPECT_OK(store->Put("a", "x"));
  const std::unique_ptr<ObjectStore> fixed =
      Open({{"AWS_ACCESS_KEY_ID", "gone"}, {"AWS_SECRET_ACCESS_KEY", "hunter2"}});
  EXPECT_THAT(fixed->Put("a", "x"),
              StatusIs(absl::StatusCode::kUnauthenticated,
                       AllOf(HasSubstr("those of the variables AWS_ACCESS_KEY_ID"),
                             HasSubstr("ExpiredToken"), Not(HasSubstr("hunter2")))));
  ASSERT_OK(RemoveFile(token_file_));
  EXPECT_THAT(
      Open(WebIdentityVariables())->Put("a", "x"),
      StatusIs(absl::StatusCode::kUnauthenticated, HasSubstr("AWS_WEB_IDENTITY_TOKEN_FILE")));
}

TEST_F(CredentialsOverTimeTest, BusyStsIsAskedAgain) {
  FaultRule busy;
  busy.fault = Fault::kAnswer;
  busy.target = "/sts";
  busy.status = 503;
  busy.count = 2;
  fake_.proxy().Add(busy);
  EXPECT_OK(Open(WebIdentityVariables())->Create("a", "x"));
}

TEST_F(CredentialsOverTimeTest, CancelEndsAFetch) {
  FaultRule hang;
  hang.fault = Fault::kHang;
  hang.target = "/sts";
  hang.count = -1;
  fake_.proxy().Add(hang);
  const std::unique_ptr<ObjectStore> store = Open(WebIdentityVariables());
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back(
        [&] { EXPECT_THAT(store->Put("a", "x"), StatusIs(absl::StatusCode::kCancelled)); });
  }
  const Deadline deadline = Soon();
  while (fake_.proxy().seen().empty() && !deadline.Passed()) std::this_thread::yield();
  store->Cancel();
  for (std::thread& thread : threads) thread.join();
}

TEST_F(CredentialsOverTimeTest, ContainerGivesCredentialsForAToken) {
  Variables variables = {{"AWS_CONTAINER_CREDENTIALS_FULL_URI", fake_.container_uri()},
                         {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token_file_}};
  const std::unique_ptr<ObjectStore> store = Open(variables);
  ASSERT_OK(store->Create("a", "x"));
  EXPECT_EQ(fake_.sessions(), 1);
  ASSERT_OK(WriteFileDurably(token_file_, "hunter2-wrong"));
  EXPECT_THAT(Open(variables)->Put("a", "x"),
              StatusIs(absl::StatusCode::kUnauthenticated,
                       AllOf(HasSubstr("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
                             Not(HasSubstr("hunter2")))));
}

TEST_F(CredentialsOverTimeTest, ContainersTokenGoesToNoStranger) {
  for (const char* uri : {"http://10.0.0.7/x", "http://127.0.0.1.example.org/x",
                          "http://localhost:x@example.org/", "ftp://127.0.0.1/", "file:///x"}) {
    EXPECT_THAT(Open({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", uri},
                      {"AWS_CONTAINER_AUTHORIZATION_TOKEN", "hunter2"}})
                    ->Put("a", "x"),
                StatusIs(absl::StatusCode::kUnauthenticated,
                         AllOf(HasSubstr("must be https://"), Not(HasSubstr("hunter2")))))
        << uri;
  }
}

TEST(ContainerCredentialsTest, HalfADocumentIsNone) {
  const std::string whole =
      "{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"b\\/c\",\"Token\":\"t\",\"N\":-1.5e3,"
      "\"Expiration\":\"2026-01-02T03:04:05Z\"}";
  ASSERT_OK_AND_ASSIGN(const Credentials credentials, ParseContainerCredentials(whole));
  EXPECT_TRUE(SameKeys(credentials, Keys("a", "b/c", "t")));
  EXPECT_EQ(credentials.expiry,
            absl::FromCivil(absl::CivilSecond(2026, 1, 2, 3, 4, 5), absl::UTCTimeZone()));
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(ParseContainerCredentials(whole.substr(0, size)),
                StatusIs(absl::StatusCode::kUnavailable))
        << size;
  }
}

TEST_F(CredentialsOverTimeTest, CallbackIsAskedAheadOfExpiryAndAfterARefusal) {
  std::atomic<int> calls{0};
  S3Options options;
  options.credentials = [&]() -> absl::StatusOr<S3Credentials> {
    ++calls;
    return fake_.BeginSession(absl::Hours(1));
  };
  const std::unique_ptr<ObjectStore> store = Open({{"AWS_ACCESS_KEY_ID", "no"}}, options);
  WriteFor(*store, absl::Milliseconds(300));
  EXPECT_EQ(calls, 1);
  fake_.RevokeAll();
  WriteFor(*store, absl::Milliseconds(300));
  EXPECT_EQ(calls, 2);
  EXPECT_GE(fake_.refusals(), 1);
  options.credentials = [] { return absl::UnavailableError("the vault is sealed"); };
  EXPECT_THAT(Open({}, options)->Put("a", "x"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("the vault is sealed")));
}

// Old keys die right after new ones are mounted, again and again, while writers go on.
TEST_F(CredentialsOverTimeTest, FileThatRotatesUnderLoadRefusesNobody) {
  const std::string file = directory_.File("credentials");
  S3Credentials current = fake_.BeginSession(absl::Hours(1));
  ASSERT_OK(WriteFileDurably(file, ProfileOf(current)));
  fake_.set_refusal(403, "InvalidAccessKeyId");
  const std::unique_ptr<ObjectStore> store = Open({{"AWS_SHARED_CREDENTIALS_FILE", file}});
  std::atomic<bool> done{false};
  std::atomic<int> writes_of[3] = {};
  std::thread rotation([&] {
    for (int round = 0; round < 20; ++round) {
      const S3Credentials next = fake_.BeginSession(absl::Hours(1));
      EXPECT_OK(WriteFileDurably(file + ".tmp", ProfileOf(next)));
      EXPECT_OK(RenameFile(file + ".tmp", file));
      fake_.Revoke(current.access_key_id);
      current = next;
      // A request may meet one rotation, but no two: it is sent again once.
      for (std::atomic<int>& writes : writes_of) {
        const int before = writes;
        const Deadline deadline = Soon();
        while (writes < before + 2 && !deadline.Passed()) std::this_thread::yield();
      }
    }
    done = true;
  });
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 3; ++writer) {
    writers.emplace_back([&, writer] {
      while (!done) {
        const int number = writes_of[writer]++;
        EXPECT_OK(store->Create(absl::StrCat("w", writer, "/", number), "x"));
      }
    });
  }
  rotation.join();
  for (std::thread& writer : writers) writer.join();
}

}  // namespace
}  // namespace mooring::objectstore
