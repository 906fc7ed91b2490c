// A real gateway that is addressed rightly and wrongly: addressing, TLS, credentials, and what
// stands between (Bad input of the archive).
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "src/base/posix_file.h"
#include "src/base/random_id.h"
#include "src/base/steady_clock.h"
#include "src/objectstore/open.h"
#include "src/objectstore/probe.h"
#include "src/objectstore/s3/s3_store.h"
#include "tests/servers/fault_proxy.h"
#include "tests/servers/gateway.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::objectstore {
namespace {

using ::testing::AllOf;
using testing::Fault;
using testing::FaultProxy;
using testing::FaultRule;
using testing::Gateway;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::StatusIs;
using testing::TempDirectory;
using Variables = std::map<std::string, std::string>;

class S3SetupTest : public ::testing::Test {
 protected:
  void SetUp() override {
    gateway_ = testing::FindGateway();
    MOORING_NEED_GATEWAY(gateway_);
    credentials_ = {{"AWS_ACCESS_KEY_ID", gateway_.access_key_id},
                    {"AWS_SECRET_ACCESS_KEY", gateway_.secret_access_key}};
  }

  // `parameters`: from the endpoint's value on.
  std::unique_ptr<ObjectStore> Open(const std::string& parameters, Variables also = {}) const {
    also.insert(credentials_.begin(), credentials_.end());
    const std::string url =
        absl::StrCat("s3://", gateway_.bucket, "/", prefix_, "?endpoint=", parameters);
    return *S3Store::Open(*ParseUrl(url), [also](const char* name) {
      const auto found = also.find(name);
      return found == also.end() ? "" : found->second;
    });
  }
  std::string Stranger() const { return gateway_.directory + "/tls/stranger.pem"; }
  // A port of the gateway or of a proxy: "https://localhost:7481" has ":7481".
  static std::string PortOf(const std::string& endpoint) {
    return endpoint.substr(endpoint.rfind(':'));
  }

  // Refused in words that name the place and the remedy, and no secret.
  void ExpectRefused(ObjectStore& store, absl::StatusCode code, std::string_view words) const {
    for (const absl::Status& got :
         {store.Create("key", "x"), store.Get("key").status(), store.List("", "", 1).status(),
          ProbeObjectStore(store, absl::Seconds(60))}) {
      EXPECT_THAT(got, StatusIs(code, AllOf(HasSubstr(std::string(words)),
                                            HasSubstr(absl::StrCat("s3://", gateway_.bucket)))));
      for (const auto& [name, value] : credentials_) {
        EXPECT_THAT(got.ToString(), Not(HasSubstr(value))) << name;
      }
    }
  }

  Gateway gateway_;
  Variables credentials_;
  const std::string prefix_ = absl::StrCat("setup/", RandomId());
};

TEST_F(S3SetupTest, BucketIsAPartOfThePathOrOfTheHost) {
  const std::unique_ptr<FaultProxy> proxy = *FaultProxy::Start(gateway_.endpoint);
  ASSERT_OK(Open(proxy->endpoint())->Create("by/path", "1"));
  EXPECT_EQ(proxy->seen().back(), absl::StrCat("PUT /mooring/", prefix_, "/by/path"));
  const std::string host = "http://localhost" + PortOf(proxy->endpoint());
  const std::unique_ptr<ObjectStore> store = Open(host + "&addressing=virtual");
  ASSERT_OK(store->Create("by/host", "2"));
  EXPECT_EQ(proxy->seen().back(), absl::StrCat("PUT /", prefix_, "/by/host"));
  EXPECT_EQ(*store->Get("by/path"), "1");
}

TEST_F(S3SetupTest, AuthorityIsNamedInTheUrlOrTheEnvironment) {
  ASSERT_OK(Open(gateway_.tls_endpoint + "&ca=" + gateway_.ca_file)->Create("url", "x"));
  ASSERT_OK(
      Open(gateway_.tls_endpoint, {{"AWS_CA_BUNDLE", gateway_.ca_file}})->Create("variable", "x"));
  EXPECT_EQ(*Open(gateway_.endpoint)->Get("url"), "x");
  EXPECT_EQ(*Open(gateway_.endpoint)->Get("variable"), "x");
}

TEST_F(S3SetupTest, ClosedStoreLeavesNothingOpen) {
  const auto open_files = [] { return ListDirectory("/proc/self/fd")->size(); };
  const std::string trusted = gateway_.tls_endpoint + "&ca=" + gateway_.ca_file;
  ASSERT_OK(Open(trusted)->Put("warm-up", "x"));
  const size_t before = open_files();
  std::unique_ptr<ObjectStore> store = Open(trusted);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 16; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 5; ++i) EXPECT_OK(store->Put(absl::StrCat("k", thread, "/", i), "x"));
    });
  }
  for (std::thread& thread : threads) thread.join();
  store.reset();
  EXPECT_EQ(open_files(), before);
}

TEST_F(S3SetupTest, CertificateOfAStrangerIsRefused) {
  constexpr auto kRefused = absl::StatusCode::kFailedPrecondition;
  ExpectRefused(*Open(gateway_.tls_endpoint), kRefused, "with ca=FILE in the url or AWS_CA_BUNDLE");
  ExpectRefused(*Open(gateway_.tls_endpoint + "&ca=" + Stranger()), kRefused,
                "certificate is not trusted");
  // The url comes before the environment.
  ExpectRefused(
      *Open(gateway_.tls_endpoint + "&ca=" + Stranger(), {{"AWS_CA_BUNDLE", gateway_.ca_file}}),
      kRefused, "certificate is not trusted");
  ExpectRefused(*Open(gateway_.tls_endpoint + "&ca=/no/such/file.pem"), kRefused,
                "/no/such/file.pem");
}

TEST_F(S3SetupTest, CertificateOfAnotherHostIsRefused) {
  const std::string other = "https://other.localhost" + PortOf(gateway_.tls_endpoint);
  ExpectRefused(*Open(other + "&ca=" + gateway_.ca_file), absl::StatusCode::kFailedPrecondition,
                "other.localhost");
}

// In a mount namespace where the system trusts the gateway's authority.
TEST_F(S3SetupTest, AuthorityThatIsNamedStandsInPlaceOfTheSystems) {
  constexpr int kCannot = 77;
  const pid_t child = ::fork();
  if (child == 0) {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", "/etc/ssl/certs", "tmpfs", 0, nullptr) != 0) {
      ::_exit(kCannot);
    }
    const std::string install = absl::StrCat(
        "cp '", gateway_.ca_file, "' /etc/ssl/certs/ca-certificates.crt && cp '", gateway_.ca_file,
        "' /etc/ssl/certs/$(openssl x509 -hash -noout -in '", gateway_.ca_file, "').0");
    if (::system(install.c_str()) != 0) ::_exit(kCannot);
    const bool trusted = absl::IsNotFound(Open(gateway_.tls_endpoint)->Get("key").status());
    const bool refused = absl::IsFailedPrecondition(
        Open(gateway_.tls_endpoint + "&ca=" + Stranger())->Get("key").status());
    ::_exit(trusted ? (refused ? 0 : 1) : 2);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kCannot) GTEST_SKIP() << "mounting needs root";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(S3SetupTest, MissingBucketIsNamed) {
  gateway_.bucket = "no-such-bucket";
  ExpectRefused(*Open(gateway_.endpoint), absl::StatusCode::kFailedPrecondition,
                "no bucket no-such-bucket");
}

TEST_F(S3SetupTest, WrongCredentialsAreNamed) {
  credentials_["AWS_SECRET_ACCESS_KEY"] = "quite-wrong";
  ExpectRefused(*Open(gateway_.endpoint), absl::StatusCode::kUnauthenticated,
                "check AWS_SECRET_ACCESS_KEY");
  credentials_["AWS_ACCESS_KEY_ID"] = "nobody-known";
  ExpectRefused(*Open(gateway_.endpoint), absl::StatusCode::kUnauthenticated,
                "check AWS_ACCESS_KEY_ID");
}

// Sessions are another gateway's, of the same buckets.
class S3SessionTest : public S3SetupTest {
 protected:
  // Takes credentials that end after `seconds`.
  void BeginSession(int seconds) {
    ASSERT_OK_AND_ASSIGN(const std::string lines,
                         testing::RunGatewayCommand(gateway_, "session", {absl::StrCat(seconds)}));
    credentials_.clear();
    for (const absl::string_view line : absl::StrSplit(lines, '\n', absl::SkipEmpty())) {
      credentials_.insert(absl::StrSplit(line, absl::MaxSplits('=', 1)));
    }
    endpoint_ = credentials_["MOORING_RGW_ENDPOINT"];
    credentials_.erase("MOORING_RGW_ENDPOINT");
    ASSERT_EQ(credentials_.size(), 3);
  }
  std::string Profile() const {
    std::string text = "[default]\n";
    for (const auto& [name, value] : credentials_) {
      absl::StrAppend(&text, absl::AsciiStrToLower(name), "=", value, "\n");
    }
    return text;
  }
  static bool EndsWithin(ObjectStore& store, absl::Duration timeout) {
    const Deadline deadline(timeout);
    while (!absl::IsPermissionDenied(store.List("", "", 1).status())) {
      if (deadline.Passed()) return false;
      absl::SleepFor(absl::Milliseconds(100));
    }
    return true;
  }

  std::string endpoint_;
};

TEST_F(S3SessionTest, TokenOfASessionIsSent) {
  BeginSession(900);
  const std::unique_ptr<ObjectStore> store = Open(endpoint_);
  ASSERT_OK(store->Create("a", "x"));
  EXPECT_EQ(*store->Get("a"), "x");
  credentials_.erase("AWS_SESSION_TOKEN");
  EXPECT_FALSE(Open(endpoint_)->Get("a").ok());
}

// This gateway says no more than AccessDenied.
TEST_F(S3SessionTest, SessionThatExpiredIsNamedAndItsSuccessorIsTaken) {
  TempDirectory directory;
  const std::string file = directory.File("credentials");
  BeginSession(1);
  ASSERT_OK(WriteFileDurably(file, Profile()));
  const std::unique_ptr<ObjectStore> fixed = Open(endpoint_);
  const Variables session = std::exchange(credentials_, {});
  const std::unique_ptr<ObjectStore> rotating =
      Open(endpoint_, {{"AWS_SHARED_CREDENTIALS_FILE", file}});
  credentials_ = session;
  ASSERT_TRUE(EndsWithin(*fixed, absl::Seconds(120)));
  ExpectRefused(*fixed, absl::StatusCode::kPermissionDenied, "session token has expired");
  ExpectRefused(*rotating, absl::StatusCode::kPermissionDenied, "renew the credentials");
  BeginSession(900);
  ASSERT_OK(WriteFileDurably(file, Profile()));
  EXPECT_OK(rotating->Create("a", "x"));
}

TEST_F(S3SessionTest, WritersOutliveTheirSessions) {
  BeginSession(900);  // For the endpoint.
  credentials_.clear();
  std::atomic<int> sessions{0};
  S3Options options;
  options.credentials = [&]() -> absl::StatusOr<S3Credentials> {
    S3Credentials session;
    session.expiry = absl::Now() + absl::Seconds(3);
    BeginSession(3);
    session.access_key_id = credentials_["AWS_ACCESS_KEY_ID"];
    session.secret_access_key = credentials_["AWS_SECRET_ACCESS_KEY"];
    session.session_token = credentials_["AWS_SESSION_TOKEN"];
    ++sessions;
    return session;
  };
  const std::unique_ptr<ObjectStore> store = *S3Store::Open(
      *ParseUrl(absl::StrCat("s3://", gateway_.bucket, "/", prefix_, "?endpoint=", endpoint_)),
      [](const char*) { return std::string(); }, {}, options);
  const Deadline deadline(absl::Seconds(120));
  for (int i = 0; sessions < 3 && !deadline.Passed(); ++i) {
    ASSERT_OK(store->Create(absl::StrCat("k", i), "x"));
  }
  EXPECT_GE(sessions, 3);
}

TEST_F(S3SessionTest, ServerThatDoesNotTellWrongFromForbiddenIsNotBelieved) {
  BeginSession(900);
  credentials_ = {{"AWS_ACCESS_KEY_ID", gateway_.access_key_id},
                  {"AWS_SECRET_ACCESS_KEY", "quite-wrong"}};
  ExpectRefused(*Open(endpoint_), absl::StatusCode::kPermissionDenied, "or are wrong");
}

class GoBetweenTest : public S3SetupTest {
 protected:
  void SetUp() override {
    S3SetupTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    proxy_ = *FaultProxy::Start(gateway_.endpoint);
  }
  void Always(Fault fault, int status = 0, std::string body = "") {
    FaultRule rule;
    rule.fault = fault;
    rule.method = "PUT";
    rule.count = -1;
    rule.status = status;
    rule.body = std::move(body);
    proxy_->Add(rule);
  }
  std::unique_ptr<FaultProxy> proxy_;
};

// The condition is signed.
TEST_F(GoBetweenTest, NobodyCanTakeTheConditionOutOfACreate) {
  ASSERT_OK(Open(gateway_.endpoint)->Create("slot", "first"));
  Always(Fault::kUnconditional);
  const std::unique_ptr<ObjectStore> store = Open(proxy_->endpoint());
  const auto refused =
      StatusIs(absl::StatusCode::kUnauthenticated, HasSubstr("nothing on the way changes"));
  EXPECT_THAT(store->Create("slot", "second"), refused);
  EXPECT_THAT(ProbeObjectStore(*store), refused);
  EXPECT_EQ(*store->Get("slot"), "first");
  EXPECT_OK(store->Put("slot", "replaced"));
}

// A9.
TEST_F(GoBetweenTest, StoreThatSaysYesToEveryCreateIsNoArchive) {
  Always(Fault::kAnswer, 200);
  EXPECT_THAT(ProbeObjectStore(*Open(proxy_->endpoint())),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("s3://mooring/"), HasSubstr("cannot be an archive"),
                             HasSubstr("8 were told that they made it"))));
}

TEST_F(GoBetweenTest, StoreWithoutConditionalCreatesIsNoArchive) {
  Always(Fault::kAnswer, 501, "<Error><Code>NotImplemented</Code></Error>");
  EXPECT_THAT(ProbeObjectStore(*Open(proxy_->endpoint())),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("s3://mooring/"), HasSubstr("conditional creates"))));
}

// A delete leaves a mark there, which hides the object and is none.
class VersionedBucketTest : public S3SetupTest {
 protected:
  void SetUp() override {
    S3SetupTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    gateway_.bucket = absl::StrCat("versioned-", RandomId());
    Send("PUT", {}, "");
    Send("PUT", {{"versioning", ""}},
         "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>");
  }
  std::string Send(const std::string& method, Variables query, std::string_view body) {
    const auto nothing = [](const char*) { return std::string(); };
    const S3Location location = *ParseS3Location(
        *ParseUrl(absl::StrCat("s3://", gateway_.bucket, "?endpoint=", gateway_.endpoint)),
        nothing);
    S3Client client(
        location,
        MakeCredentialsSource(
            nothing, location,
            [this] {
              return S3Credentials{gateway_.access_key_id, gateway_.secret_access_key, ""};
            }),
        S3Tuning());
    S3Request request;
    request.method = method;
    request.query = std::move(query);
    request.body = body;
    const auto answer = client.Send(request, Deadline(absl::Seconds(60)));
    EXPECT_OK(answer);
    return answer.ok() ? answer->body : "";
  }
};

TEST_F(VersionedBucketTest, DeletedObjectIsAbsentAndCanBeMadeAgain) {
  const std::unique_ptr<ObjectStore> store = Open(gateway_.endpoint);
  ASSERT_OK(store->Create("slot", "first"));
  ASSERT_OK(store->Delete("slot"));
  EXPECT_THAT(Send("GET", {{"versions", ""}}, ""), HasSubstr("<DeleteMarker>"));
  EXPECT_THAT(store->Get("slot"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(store->GetRange("slot", 0, 1), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_TRUE(store->List("", "", 10)->empty());
  ASSERT_OK(store->Create("slot", "second"));
  EXPECT_EQ(*store->Get("slot"), "second");
  EXPECT_EQ(store->List("", "", 10)->size(), 1);
  ASSERT_OK(store->Delete("slot"));
  ASSERT_OK(store->Delete("slot"));
  EXPECT_THAT(store->Get("slot"), StatusIs(absl::StatusCode::kNotFound));
}

// A9. Ceph 16 ignores the condition of a create where the bucket is versioned.
TEST_F(VersionedBucketTest, ServesAsAnArchiveOrIsRefusedInWords) {
  const std::unique_ptr<ObjectStore> store = Open(gateway_.endpoint);
  ASSERT_OK(store->Create("slot", "first"));
  const bool honest = absl::IsAlreadyExists(store->Create("slot", "second"));
  const absl::Status probed = ProbeObjectStore(*store);
  if (honest) {
    EXPECT_OK(probed);
  } else {
    EXPECT_THAT(probed, StatusIs(absl::StatusCode::kFailedPrecondition,
                                 AllOf(HasSubstr("cannot be an archive"), HasSubstr("versioned"))));
  }
}

TEST_F(S3SetupTest, UrlForOtherTestsIsAnEmptyPlaceEachTime) {
  const std::string url = testing::MakeGatewayUrl(gateway_, "setup");
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<ObjectStore> store, OpenObjectStore(url));
  ASSERT_OK(store->Create("a", "x"));
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<ObjectStore> same, OpenObjectStore(url));
  EXPECT_EQ(*same->Get("a"), "x");
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<ObjectStore> other,
                       OpenObjectStore(testing::MakeGatewayUrl(gateway_, "setup")));
  EXPECT_THAT(other->Get("a"), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace mooring::objectstore
