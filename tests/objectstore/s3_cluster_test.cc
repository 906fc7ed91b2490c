// Owners who contend for the slots of a journal while parts of a real store are killed, frozen and
// started again (FAULTS row 14). The gateway stands before three storage daemons that each keep a
// copy.
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "src/base/steady_clock.h"
#include "src/objectstore/open.h"
#include "tests/servers/gateway.h"
#include "tests/testing/status_matchers.h"

namespace mooring::objectstore {
namespace {

using testing::Gateway;

// Recovery on two busy cores takes its time.
constexpr absl::Duration kPatience = absl::Seconds(240);

// Writers who all try to create the same slot, then the next one. A writer whose outcome is unknown
// tries again with the same bytes, and learns from the object.
class Contention {
 public:
  Contention(std::vector<std::unique_ptr<ObjectStore>> stores) : stores_(std::move(stores)) {
    for (size_t i = 0; i < stores_.size(); ++i) {
      threads_.emplace_back([this, i] { Contend(static_cast<int>(i)); });
    }
  }
  ~Contention() { Stop(); }

  void Stop() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  int64_t slots() const { return next_; }
  int64_t unknown() const { return unknown_; }
  // False: not within the time.
  bool WaitForSlots(int more) {
    return WaitFor([this, goal = next_ + more] { return next_ >= goal; });
  }
  bool WaitForUnknown(int more) {
    return WaitFor([this, goal = unknown_ + more] { return unknown_ >= goal; });
  }

  // After Stop(): every slot is taken, by the one who was told so and nobody else.
  void Judge(ObjectStore& store) {
    absl::MutexLock lock(&mutex_);
    EXPECT_TRUE(surprises_.empty()) << surprises_.front();
    for (int64_t slot = 0; slot < next_; ++slot) {
      ASSERT_OK_AND_ASSIGN(const std::string bytes, store.Get(Key(slot)));
      const std::vector<int>& winners = winners_[slot];
      ASSERT_LE(winners.size(), 1) << "slot " << slot;
      if (winners.empty()) continue;
      ASSERT_EQ(bytes, Bytes(winners[0], slot));
    }
  }

 private:
  static std::string Key(int64_t slot) { return absl::StrCat("journal/", 1000000 + slot); }
  static std::string Bytes(int writer, int64_t slot) {
    return absl::StrCat("writer ", writer, " slot ", slot, std::string(1000, '.'));
  }

  bool WaitFor(const std::function<bool()>& done) {
    const Deadline deadline(kPatience);
    while (!done()) {
      if (deadline.Passed()) return false;
      absl::SleepFor(absl::Milliseconds(10));
    }
    return true;
  }

  void Contend(int writer) {
    while (!stop_) {
      const int64_t slot = next_;
      const absl::Status status = Try(writer, slot);
      if (status.ok()) {
        int64_t expected = slot;
        next_.compare_exchange_strong(expected, slot + 1);
      } else if (absl::IsUnavailable(status)) {
        ++unknown_;
      } else {
        absl::MutexLock lock(&mutex_);
        surprises_.push_back(status.ToString());
      }
    }
  }

  // OK: somebody holds the slot.
  absl::Status Try(int writer, int64_t slot) {
    ObjectStore& store = *stores_[writer];
    RequestOptions options;
    options.timeout = absl::Seconds(5);
    const absl::Status status = store.Create(Key(slot), Bytes(writer, slot), options);
    if (!status.ok() && !absl::IsAlreadyExists(status)) return status;
    bool mine = status.ok();
    if (!mine) {
      const absl::StatusOr<std::string> there = store.Get(Key(slot), options);
      if (!there.ok()) return there.status();
      mine = *there == Bytes(writer, slot);
    }
    if (!mine) return absl::OkStatus();
    absl::MutexLock lock(&mutex_);
    winners_[slot].push_back(writer);
    return absl::OkStatus();
  }

  const std::vector<std::unique_ptr<ObjectStore>> stores_;
  std::vector<std::thread> threads_;
  std::atomic<bool> stop_{false};
  std::atomic<int64_t> next_{0};
  std::atomic<int64_t> unknown_{0};
  absl::Mutex mutex_;
  std::map<int64_t, std::vector<int>> winners_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> surprises_ ABSL_GUARDED_BY(mutex_);
};

class ClusterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    cluster_ = testing::FindCluster();
    MOORING_NEED_GATEWAY(cluster_);
    url_ = testing::MakeGatewayUrl(cluster_, "cluster");
  }
  // Whatever failed, the next test finds the cluster whole.
  void TearDown() override {
    for (const auto& [undo, name] : undo_) EXPECT_OK(Run(undo, name));
  }

  std::unique_ptr<ObjectStore> Open() const { return *OpenObjectStore(url_); }
  std::unique_ptr<Contention> StartContention() const {
    std::vector<std::unique_ptr<ObjectStore>> stores;
    for (int i = 0; i < 3; ++i) stores.push_back(Open());
    return std::make_unique<Contention>(std::move(stores));
  }
  absl::Status Run(const std::string& command, const std::string& name) const {
    return testing::RunGatewayCommand(cluster_, command, {name}).status();
  }
  void Harm(const std::string& harm, const std::string& undo, const std::string& name) {
    undo_.emplace_back(undo, name);
    ASSERT_OK(Run(harm, name));
  }
  void Undo() {
    ASSERT_FALSE(undo_.empty());
    const auto [undo, name] = undo_.back();
    undo_.pop_back();
    ASSERT_OK(Run(undo, name));
  }

  Gateway cluster_;
  std::string url_;
  std::vector<std::pair<std::string, std::string>> undo_;
};

TEST_F(ClusterTest, ContentionGoesOnWhileStorageDaemonsAreKilledInTurn) {
  const std::unique_ptr<Contention> owners = StartContention();
  ASSERT_TRUE(owners->WaitForSlots(10));
  for (const char* daemon : {"osd.0", "osd.1", "osd.2"}) {
    Harm("kill", "revive", daemon);
    ASSERT_TRUE(owners->WaitForSlots(20)) << "without " << daemon;
    Undo();
    ASSERT_TRUE(owners->WaitForSlots(20)) << "after " << daemon << " came back";
  }
  owners->Stop();
  owners->Judge(*Open());
  printf("%d slots, %d unknown outcomes\n", static_cast<int>(owners->slots()),
         static_cast<int>(owners->unknown()));
}

TEST_F(ClusterTest, ContentionGoesOnAfterTheGatewayWasKilledOrFrozen) {
  const std::unique_ptr<Contention> owners = StartContention();
  ASSERT_TRUE(owners->WaitForSlots(10));
  for (int round = 0; round < 2; ++round) {
    Harm("kill", "revive", "client.rgw");
    ASSERT_TRUE(owners->WaitForUnknown(3));
    Undo();
    ASSERT_TRUE(owners->WaitForSlots(20)) << "after the gateway came back";
  }
  Harm("freeze", "thaw", "client.rgw");
  ASSERT_TRUE(owners->WaitForUnknown(3));
  Undo();
  ASSERT_TRUE(owners->WaitForSlots(20)) << "after the gateway went on";
  owners->Stop();
  owners->Judge(*Open());
  printf("%d slots, %d unknown outcomes\n", static_cast<int>(owners->slots()),
         static_cast<int>(owners->unknown()));
}

}  // namespace
}  // namespace mooring::objectstore
