#include "tests/simulation/fault_object_store.h"

#include <stdio.h>

#include <fstream>
#include <memory>
#include <random>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"
#include "src/objectstore/directory_store.h"
#include "src/objectstore/open.h"

namespace mooring::testing {
namespace {

using objectstore::ObjectInfo;
using objectstore::ObjectStore;
using objectstore::RequestOptions;

std::string FaultsPath(const std::string& directory) { return directory + ".faults"; }

ObjectFaults ReadFaults(const std::string& path) {
  ObjectFaults faults;
  std::ifstream file(path);
  file >> faults.failed >> faults.reply_lost >> faults.late >> faults.late_us >> faults.delay_us >>
      faults.away >> faults.two_winners >> faults.writes_only;
  return file ? faults : ObjectFaults{};
}

absl::Status Injected(std::string_view what, std::string_view key) {
  return absl::UnavailableError(absl::StrCat("injected: ", ToAbsl(what), " of ", ToAbsl(key)));
}

class FaultObjectStore final : public ObjectStore {
 public:
  FaultObjectStore(std::shared_ptr<ObjectStore> inner, std::string faults_path, uint64_t seed)
      : inner_(std::move(inner)), faults_path_(std::move(faults_path)), random_(seed) {}

  absl::Status Put(std::string_view key, std::string_view data,
                   const RequestOptions& options) override {
    return Suffer(key, [&] { return inner_->Put(key, data, options); });
  }
  absl::Status Create(std::string_view key, std::string_view data,
                      const RequestOptions& options) override {
    const ObjectFaults faults = ReadFaults(faults_path_);
    if (!faults.away && Happens(faults.late)) {
      CreateLate(std::string(key), std::string(data), Below(faults.late_us));
      return Injected("a late create", key);
    }
    return Suffer(key, [&] {
      const absl::Status created = inner_->Create(key, data, options);
      const bool replace =
          faults.two_winners && absl::IsAlreadyExists(created) && key.substr(0, 8) == "journal/";
      return replace ? inner_->Put(key, data, options) : created;
    });
  }
  absl::Status PutFile(std::string_view key, std::string_view path,
                       const RequestOptions& options) override {
    return Suffer(key, [&] { return inner_->PutFile(key, path, options); });
  }
  absl::StatusOr<std::string> Get(std::string_view key, const RequestOptions& options) override {
    return SufferRead(key, [&] { return inner_->Get(key, options); });
  }
  absl::StatusOr<std::string> GetRange(std::string_view key, int64_t offset, int64_t size,
                                       const RequestOptions& options) override {
    return SufferRead(key, [&] { return inner_->GetRange(key, offset, size, options); });
  }
  absl::StatusOr<int64_t> GetToFile(std::string_view key, std::string_view path,
                                    const RequestOptions& options) override {
    return SufferRead(key, [&] { return inner_->GetToFile(key, path, options); });
  }
  absl::StatusOr<std::vector<ObjectInfo>> List(std::string_view prefix, std::string_view after,
                                               int limit, const RequestOptions& options) override {
    return SufferRead(prefix, [&] { return inner_->List(prefix, after, limit, options); });
  }
  absl::Status Delete(std::string_view key, const RequestOptions& options) override {
    return Suffer(key, [&] { return inner_->Delete(key, options); });
  }
  absl::StatusOr<int64_t> RemoveAbandoned(std::string_view prefix, absl::Duration min_age,
                                          const RequestOptions& options) override {
    return Suffer(prefix, [&] { return inner_->RemoveAbandoned(prefix, min_age, options); });
  }
  void Cancel() override { inner_->Cancel(); }
  objectstore::Traffic traffic() const override { return inner_->traffic(); }
  const std::string& name() const override { return inner_->name(); }

 private:
  int Below(int bound) {
    absl::MutexLock lock(&mutex_);
    return bound <= 0 ? 0 : static_cast<int>(random_() % static_cast<uint64_t>(bound));
  }
  bool Happens(int percent) { return Below(100) < percent; }

  template <typename Request>
  auto SufferRead(std::string_view key, const Request& request) -> decltype(request()) {
    const ObjectFaults faults = ReadFaults(faults_path_);
    if (!faults.writes_only) return Suffer(key, request);
    absl::SleepFor(absl::Microseconds(Below(faults.delay_us)));
    return request();
  }

  template <typename Request>
  auto Suffer(std::string_view key, const Request& request) -> decltype(request()) {
    const ObjectFaults faults = ReadFaults(faults_path_);
    absl::SleepFor(absl::Microseconds(Below(faults.delay_us / 2)));
    if (faults.away || Happens(faults.failed)) return Injected("a refusal", key);
    auto result = request();
    absl::SleepFor(absl::Microseconds(Below(faults.delay_us / 2)));
    if (Happens(faults.reply_lost)) return Injected("a lost reply", key);
    return result;
  }

  // Dies with the process, and sleeps while that is stopped.
  void CreateLate(std::string key, std::string data, int delay_us) {
    std::thread([inner = inner_, key = std::move(key), data = std::move(data), delay_us] {
      absl::SleepFor(absl::Microseconds(delay_us));
      inner->Create(key, data).IgnoreError();
    }).detach();
  }

  const std::shared_ptr<ObjectStore> inner_;
  const std::string faults_path_;
  absl::Mutex mutex_;
  std::mt19937_64 random_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

void RegisterFaultScheme(uint64_t seed) {
  objectstore::RegisterScheme(
      "fault", [seed](const objectstore::Url& url) -> absl::StatusOr<std::unique_ptr<ObjectStore>> {
        MOORING_ASSIGN_OR_RETURN(std::shared_ptr<ObjectStore> directory,
                                 objectstore::DirectoryStore::Open(url.path));
        return std::make_unique<FaultObjectStore>(std::move(directory), FaultsPath(url.path), seed);
      });
}

absl::Status SetObjectFaults(const std::string& directory, const ObjectFaults& faults) {
  const std::string path = FaultsPath(directory);
  const std::string temporary = path + ".new";
  std::ofstream file(temporary);
  file << faults.failed << " " << faults.reply_lost << " " << faults.late << " " << faults.late_us
       << " " << faults.delay_us << " " << faults.away << " " << faults.two_winners << " "
       << faults.writes_only << std::endl;
  file.close();
  if (file && ::rename(temporary.c_str(), path.c_str()) == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(path, " cannot be written"));
}

}  // namespace mooring::testing
