#include "src/objectstore/probe.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/synchronization/mutex.h"
#include "src/base/status.h"
#include "tests/testing/status_matchers.h"

namespace mooring::objectstore {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::StatusIs;

// An honest store in memory, for others to lie on top of.
class MemoryStore : public ObjectStore {
 public:
  absl::Status Put(std::string_view key, std::string_view data, const RequestOptions&) override {
    absl::MutexLock lock(&mutex_);
    objects_[std::string(key)] = std::string(data);
    return absl::OkStatus();
  }
  absl::Status Create(std::string_view key, std::string_view data, const RequestOptions&) override {
    absl::MutexLock lock(&mutex_);
    if (objects_.emplace(key, data).second) return absl::OkStatus();
    return absl::AlreadyExistsError("");
  }
  absl::StatusOr<std::string> Get(std::string_view key, const RequestOptions&) override {
    absl::MutexLock lock(&mutex_);
    const auto found = objects_.find(std::string(key));
    if (found == objects_.end()) return absl::NotFoundError("");
    return found->second;
  }
  absl::StatusOr<std::string> GetRange(std::string_view key, int64_t offset, int64_t size,
                                       const RequestOptions& options) override {
    absl::StatusOr<std::string> bytes = Get(key, options);
    if (bytes.ok()) return bytes->substr(offset, size);
    return bytes;
  }
  absl::StatusOr<std::vector<ObjectInfo>> List(std::string_view prefix, std::string_view after,
                                               int limit, const RequestOptions&) override {
    absl::MutexLock lock(&mutex_);
    std::vector<ObjectInfo> found;
    for (const auto& [key, bytes] : objects_) {
      if (key > after && key.substr(0, prefix.size()) == prefix) {
        found.push_back({key, static_cast<int64_t>(bytes.size())});
      }
    }
    return found;
  }
  absl::Status Delete(std::string_view key, const RequestOptions&) override {
    absl::MutexLock lock(&mutex_);
    objects_.erase(std::string(key));
    return absl::OkStatus();
  }
  absl::Status PutFile(std::string_view, std::string_view, const RequestOptions&) override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<int64_t> GetToFile(std::string_view, std::string_view,
                                    const RequestOptions&) override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<int64_t> RemoveAbandoned(std::string_view, absl::Duration,
                                          const RequestOptions&) override {
    return 0;
  }
  void Cancel() override {}
  Traffic traffic() const override { return {}; }
  const std::string& name() const override { return name_; }

  std::vector<ObjectInfo> Everything() { return *MemoryStore::List("", "", 1000, {}); }

 private:
  const std::string name_ = "s3://bucket";
  absl::Mutex mutex_;
  std::map<std::string, std::string> objects_ ABSL_GUARDED_BY(mutex_);
};

template <typename Store>
void Refused(absl::StatusCode code, std::string_view words) {
  Store store;
  EXPECT_THAT(ProbeObjectStore(store),
              StatusIs(code, AllOf(HasSubstr("s3://bucket"), HasSubstr(std::string(words)))));
  store.honest = true;
  EXPECT_THAT(store.Everything(), IsEmpty());
}

// A store with a switch, so that a test can look at what is really in it.
class Liar : public MemoryStore {
 public:
  bool honest = false;
};

// As a server may that takes the mark of a deletion for an object.
class KeepsDeletedNames : public Liar {
  absl::Status Create(std::string_view key, std::string_view data,
                      const RequestOptions& options) override {
    if (!honest && deleted_.count(std::string(key)) > 0) return absl::AlreadyExistsError("");
    return MemoryStore::Create(key, data, options);
  }
  absl::Status Delete(std::string_view key, const RequestOptions& options) override {
    deleted_.insert(std::string(key));
    return MemoryStore::Delete(key, options);
  }
  std::set<std::string> deleted_;
};

class IgnoresTheCondition : public Liar {
  absl::Status Create(std::string_view key, std::string_view data,
                      const RequestOptions& options) override {
    return Put(key, data, options);
  }
};

class OverwritesAndSaysNo : public Liar {
  absl::Status Create(std::string_view key, std::string_view data,
                      const RequestOptions& options) override {
    absl::Status status = MemoryStore::Create(key, data, options);
    if (!status.ok()) Put(key, data, options).IgnoreError();
    return status;
  }
};

class NobodyWins : public Liar {
  absl::Status Create(std::string_view, std::string_view, const RequestOptions&) override {
    return absl::AlreadyExistsError("");
  }
};

class ReplacesLater : public Liar {
  absl::Status Create(std::string_view key, std::string_view data,
                      const RequestOptions& options) override {
    return data == "written late" ? Put(key, data, options)
                                  : MemoryStore::Create(key, data, options);
  }
};

class ListsLate : public Liar {
  absl::StatusOr<std::vector<ObjectInfo>> List(std::string_view prefix, std::string_view after,
                                               int limit, const RequestOptions& options) override {
    auto objects = MemoryStore::List(prefix, after, limit, options);
    if (!honest && !objects->empty()) objects->pop_back();
    return objects;
  }
};

class ListsOutOfOrder : public Liar {
  absl::StatusOr<std::vector<ObjectInfo>> List(std::string_view prefix, std::string_view after,
                                               int limit, const RequestOptions& options) override {
    auto objects = MemoryStore::List(prefix, after, limit, options);
    std::reverse(objects->begin(), objects->end());
    return objects;
  }
};

class ListsFromTheStart : public Liar {
  absl::StatusOr<std::vector<ObjectInfo>> List(std::string_view prefix, std::string_view, int limit,
                                               const RequestOptions& options) override {
    return MemoryStore::List(prefix, "", limit, options);
  }
};

class ForbidsTheAbsent : public Liar {
  absl::StatusOr<std::string> Get(std::string_view key, const RequestOptions& options) override {
    auto bytes = MemoryStore::Get(key, options);
    if (bytes.ok()) return bytes;
    return absl::PermissionDeniedError("AccessDenied");
  }
};

class IgnoresTheRange : public Liar {
  absl::StatusOr<std::string> GetRange(std::string_view key, int64_t, int64_t,
                                       const RequestOptions& options) override {
    return Get(key, options);
  }
};

class LosesWhatItMade : public Liar {
  absl::StatusOr<std::string> Get(std::string_view, const RequestOptions&) override {
    return absl::NotFoundError("");
  }
};

class KeepsTheDeleted : public Liar {
  absl::Status Delete(std::string_view key, const RequestOptions& options) override {
    // The probe deletes twice, once to look and once to clean.
    return ++deletes_ == 1 ? absl::OkStatus() : MemoryStore::Delete(key, options);
  }
  int deletes_ = 0;
};

class IsAway : public Liar {
  absl::Status Create(std::string_view, std::string_view, const RequestOptions&) override {
    return absl::UnavailableError("timed out");
  }
};

// The answers got lost to the first `lost` creates that made an object.
template <int lost>
class AnswersAreLost : public Liar {
  absl::Status Create(std::string_view key, std::string_view data,
                      const RequestOptions& options) override {
    absl::Status status = MemoryStore::Create(key, data, options);
    return status.ok() && lost_++ < lost ? absl::UnavailableError("timed out") : status;
  }
  std::atomic<int> lost_{0};
};

// One create's answer got lost, and it arrives once its object was deleted.
class CreateArrivesLate : public Liar {
 public:
  std::string late;  // The key it was sent for.

 private:
  absl::Status Create(std::string_view key, std::string_view data,
                      const RequestOptions& options) override {
    if (absl::EndsWith(ToAbsl(key), "race-0") && first_.exchange(false)) {
      late = key;
      return absl::UnavailableError("timed out");
    }
    return MemoryStore::Create(key, data, options);
  }
  absl::Status Delete(std::string_view key, const RequestOptions& options) override {
    absl::Status status = MemoryStore::Delete(key, options);
    if (key == late) status = MemoryStore::Create(key, "written by racer 0", options);
    return status;
  }
  std::atomic<bool> first_{true};
};

// A9.
TEST(ProbeTest, EachLieIsRefusedInWords) {
  constexpr auto kLie = absl::StatusCode::kFailedPrecondition;
  Refused<IgnoresTheCondition>(kLie, "8 were told that they made it");
  Refused<OverwritesAndSaysNo>(kLie, "bytes of another");
  Refused<NobodyWins>(kLie, "none won");
  Refused<ReplacesLater>(kLie, "replaced an object");
  Refused<ListsLate>(kLie, "shows 0 of 1 objects");
  Refused<ListsOutOfOrder>(kLie, "order of their names");
  Refused<ListsFromTheStart>(kLie, "start-after");
  Refused<IgnoresTheRange>(kLie, "not what was asked for");
  Refused<LosesWhatItMade>(kLie, "just made is not found");
  Refused<KeepsTheDeleted>(kLie, "still there");
  Refused<KeepsDeletedNames>(kLie, "counts as taken");
}

TEST(ProbeTest, MissingListPermissionIsNamed) {
  Refused<ForbidsTheAbsent>(absl::StatusCode::kPermissionDenied, "s3:ListBucket");
}

TEST(ProbeTest, AbsentStoreIsNoLiar) {
  Refused<IsAway>(absl::StatusCode::kUnavailable, "Try again");
}

// Three winners of races, and the first that is made without one.
TEST(ProbeTest, LostAnswerOfACreateIsNoLie) {
  AnswersAreLost<4> store;
  EXPECT_OK(ProbeObjectStore(store));
  EXPECT_THAT(store.Everything(), IsEmpty());
  Refused<AnswersAreLost<100>>(absl::StatusCode::kUnavailable, "timed out");
}

TEST(ProbeTest, CreateThatArrivesAfterItsDeleteIsNoLie) {
  CreateArrivesLate store;
  EXPECT_OK(ProbeObjectStore(store));
  ASSERT_FALSE(store.late.empty());
  EXPECT_THAT(store.Everything(), ElementsAre(Field(&ObjectInfo::key, store.late)));
}

}  // namespace
}  // namespace mooring::objectstore
