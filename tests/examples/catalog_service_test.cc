#include "examples/catalog/catalog_service.h"

#include <memory>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace catalog {
namespace {

using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class CatalogServiceTest : public ::testing::Test {
 protected:
  CatalogServiceTest() : health_(std::make_shared<mooring::HealthMonitor>()), service_(health_) {
    service_.Register(&server_);
    server_.set_tcp_nodelay(true);
    server_.set_keep_alive_timeout(1);
    const int port = server_.bind_to_any_port("127.0.0.1");
    listener_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
    client_ = std::make_unique<httplib::Client>("127.0.0.1", port);
    client_->set_url_encode(false);
    client_->set_read_timeout(60);
  }
  ~CatalogServiceTest() override {
    client_.reset();
    server_.stop();
    listener_.join();
  }

  // Where `archive_` is a url, with that archive.
  mooring::Options StoreOptions(const std::string& volume) const {
    mooring::Options options;
    options.volume = volume;
    options.allow_unsafe_volume = true;
    options.archive.url = archive_;
    options.archive.ship_interval = absl::Milliseconds(50);
    options.archive.takeover_wait = absl::Milliseconds(200);
    return options;
  }

  void OpenStore() {
    mooring::Options options = StoreOptions(directory_.path());
    options.health_monitor = health_;
    ASSERT_OK_AND_ASSIGN(store_, mooring::Store::Open(options));
    ASSERT_OK_AND_ASSIGN(mooring::Table items, store_->OpenTable("items"));
    service_.Start(store_, items);
  }

  // "<code> <body>" of the answer.
  static std::string Text(const httplib::Result& result) {
    return result ? std::to_string(result->status) + " " + result->body : "no answer";
  }
  std::string Get(const std::string& path) { return Text(client_->Get(path)); }
  std::string Put(const std::string& path, const std::string& value) {
    return Text(client_->Put(path, value, "application/octet-stream"));
  }

  mooring::testing::TempDirectory directory_;
  std::string archive_;
  const std::shared_ptr<mooring::HealthMonitor> health_;
  CatalogService service_;
  httplib::Server server_;
  std::thread listener_;
  std::unique_ptr<httplib::Client> client_;
  std::shared_ptr<mooring::Store> store_;
};

TEST_F(CatalogServiceTest, BeforeTheStoreIsOpenItIsAliveAndNotReady) {
  service_.SetProgress({mooring::Progress::Phase::kReplayingLog, 3, 7});
  EXPECT_THAT(Get("/healthz"), MatchesRegex("200 starting.*replaying-log 3 of 7 bytes\n"));
  EXPECT_THAT(Get("/readyz"), HasSubstr("503 not serving"));
  EXPECT_THAT(Put("/items/a", "1"), HasSubstr("503 not serving"));
  OpenStore();
  EXPECT_THAT(Get("/readyz"), HasSubstr("200 serving"));
}

TEST_F(CatalogServiceTest, AnOpenThatFailedIsNotAlive) {
  health_->Set(mooring::Health::State::kClosed, absl::DataLossError("000012.log"));
  EXPECT_THAT(Get("/healthz"), HasSubstr("503"));
  EXPECT_THAT(Get("/healthz"), HasSubstr("000012.log"));
}

TEST_F(CatalogServiceTest, AReadOnlyStoreIsNotAliveForReopeningHealsIt) {
  OpenStore();
  health_->Set(mooring::Health::State::kReadOnly, absl::DataLossError("sync failed"));
  EXPECT_THAT(Get("/healthz"), HasSubstr("503 read-only"));
  EXPECT_THAT(Get("/readyz"), HasSubstr("503 read-only"));
}

TEST_F(CatalogServiceTest, WhatIsPutIsReadByteForByte) {
  OpenStore();
  std::string value;
  for (int i = 0; i < 100000; ++i) value += static_cast<char>(i * 7);
  EXPECT_THAT(Put("/items/a%2Fb%00%25%2B+", value),
              MatchesRegex("200 \\{\"version\":\"1.1\"\\}\n"));
  EXPECT_TRUE(Get("/items/a%2Fb%00%25%2B+") == "200 " + value);
  EXPECT_THAT(Get("/items?prefix=a"), Eq("200 a%2Fb%00%25%2B%2B\n"));
  EXPECT_THAT(Text(client_->Delete("/items/a%2Fb%00%25%2B+")), HasSubstr("\"1.2\""));
  EXPECT_THAT(Get("/items/a%2Fb%00%25%2B+"), HasSubstr("404"));
}

TEST_F(CatalogServiceTest, ADroppedTableIsEmptyAndTakesWrites) {
  OpenStore();
  EXPECT_THAT(Put("/items/a", "1"), HasSubstr("200"));
  EXPECT_THAT(Text(client_->Delete("/items")), HasSubstr("\"1.1\""));
  EXPECT_THAT(Get("/items/a"), HasSubstr("404"));
  EXPECT_THAT(Put("/items/b", "2"), HasSubstr("\"1.2\""));
  EXPECT_THAT(Get("/items/b"), Eq("200 2"));
}

TEST_F(CatalogServiceTest, AListingGoesOnAfterTheLastKeyOfAPage) {
  OpenStore();
  EXPECT_THAT(Text(client_->Post("/batch", "put a 1\n1\nput b1 1\n2\nput b2 0\n\nput b3 1\n4\n",
                                 "text/plain")),
              HasSubstr("200 {\"version\":\"1.4\"}"));
  EXPECT_THAT(Get("/items?limit=2"), Eq("200 a\nb1\n"));
  EXPECT_THAT(Get("/items?limit=2&after=b1"), Eq("200 b2\nb3\n"));
  EXPECT_THAT(Get("/items?prefix=b&after=b2"), Eq("200 b3\n"));
  EXPECT_THAT(Get("/items?after=b3"), Eq("200 "));
}

TEST_F(CatalogServiceTest, WrongRequestsAreRefusedAndTheConnectionStaysUsable) {
  OpenStore();
  EXPECT_THAT(Put("/items/", "x"), HasSubstr("400"));
  EXPECT_THAT(Put("/items/%2", "x"), HasSubstr("400"));
  EXPECT_THAT(Get("/items?limit=0"), HasSubstr("400"));
  EXPECT_THAT(Get("/items?limit=1e3"), HasSubstr("400"));
  EXPECT_THAT(Text(client_->Post("/batch", "put a 9\nx\n", "text/plain")), HasSubstr("400"));
  EXPECT_THAT(Put("/items/" + std::string(66000, 'k'), "x"), HasSubstr("414"));
  EXPECT_THAT(Get("/items"), Eq("200 "));
}

TEST_F(CatalogServiceTest, AWriteSaysHowDurableItShallBe) {
  OpenStore();
  EXPECT_THAT(Put("/items/a?durability=process", "1"), HasSubstr("\"1.1\""));
  EXPECT_THAT(Put("/items/a?durability=volume", "2"), HasSubstr("\"1.2\""));
  EXPECT_THAT(Put("/items/a?durability=disk", "3"), HasSubstr("400"));
  EXPECT_THAT(Text(client_->Delete("/items/a?durability=")), HasSubstr("400"));
  EXPECT_THAT(Put("/items/a?durability=archive", "3"), HasSubstr("400"));
  EXPECT_THAT(Get("/items/a"), Eq("200 2"));
  EXPECT_THAT(Get("/status"), HasSubstr("200 {\"state\":\"none\""));
}

TEST_F(CatalogServiceTest, WhatIsAcknowledgedAtTheArchiveIsThere) {
  const mooring::testing::TempDirectory archive;
  archive_ = "file://" + archive.path();
  EXPECT_THAT(Get("/status"), HasSubstr("503 not serving"));
  OpenStore();
  EXPECT_THAT(Put("/items/a?durability=archive", "1"), HasSubstr("\"1.1\""));
  EXPECT_THAT(Get("/status"),
              MatchesRegex("200 .*\"state\":\"shipping\",\"archived\":\"1\\.1\".*\n"));
  EXPECT_THAT(Text(client_->Post("/batch?durability=archive", "put b 1\n2\n", "text/plain")),
              HasSubstr("\"1.2\""));
  EXPECT_THAT(Get("/status"), HasSubstr("\"archived\":\"1.2\""));
}

// A restart would take the store back from its rightful owner, so the liveness probe is content.
TEST_F(CatalogServiceTest, AFencedServiceAnswersNothingAndIsAlive) {
  const mooring::testing::TempDirectory archive;
  const mooring::testing::TempDirectory other_volume;
  archive_ = "file://" + archive.path();
  OpenStore();
  EXPECT_THAT(Put("/items/a?durability=archive", "1"), HasSubstr("\"1.1\""));
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<mooring::Store> other,
                       mooring::Store::Open(StoreOptions(other_volume.path())));
  EXPECT_THAT(Put("/items/a?durability=archive", "2"),
              MatchesRegex("503 fenced: FAILED_PRECONDITION: version 1.2 is on the volume.*another "
                           "owner took over.*do not retry\\.\n"));
  EXPECT_THAT(Get("/status"), HasSubstr("200 {\"state\":\"fenced\""));
  EXPECT_THAT(Get("/items/a"), HasSubstr("503 fenced"));
  EXPECT_THAT(Put("/items/a", "2"), HasSubstr("503 fenced"));
  EXPECT_THAT(Get("/readyz"), HasSubstr("503 fenced"));
  EXPECT_THAT(Get("/healthz"), HasSubstr("200 read-only: FAILED_PRECONDITION"));
}

TEST_F(CatalogServiceTest, AfterTheStoreIsClosedRequestsAreRefused) {
  OpenStore();
  service_.Stop();
  EXPECT_OK(store_->Close(absl::Seconds(60)).status);
  EXPECT_THAT(Get("/healthz"), HasSubstr("200 closed"));
  EXPECT_THAT(Put("/items/a", "1"), HasSubstr("503 not serving"));
}

}  // namespace
}  // namespace catalog
