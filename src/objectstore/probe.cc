#include "src/objectstore/probe.h"

#include <algorithm>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/random_id.h"
#include "src/base/status.h"
#include "src/base/steady_clock.h"

namespace mooring::objectstore {
namespace {

constexpr int kRacers = 8;
constexpr int kRounds = 3;

class Probe {
 public:
  Probe(ObjectStore& store, absl::Duration timeout)
      : store_(store), deadline_(timeout), prefix_(absl::StrCat("probe/", RandomId(), "/")) {}
  ~Probe() {
    RequestOptions options;
    options.timeout = std::max(deadline_.Left(), absl::Seconds(5));
    for (const std::string& key : made_) store_.Delete(key, options).IgnoreError();
  }

  absl::Status Run() {
    MOORING_RETURN_IF_ERROR(AbsentObjectIsNotFound());
    MOORING_RETURN_IF_ERROR(NothingIsListed());
    for (int round = 0; round < kRounds; ++round) {
      const std::string key = absl::StrCat(prefix_, "race-", round);
      MOORING_RETURN_IF_ERROR(OneCreateWins(key));
      MOORING_RETURN_IF_ERROR(NewObjectIsListed(round));
    }
    MOORING_RETURN_IF_ERROR(RangeIsExact());
    MOORING_ASSIGN_OR_RETURN(const std::string key, MakeAlone());
    MOORING_RETURN_IF_ERROR(DeletedObjectIsGone(key));
    return DeletedObjectCanBeMadeAgain(key);
  }

 private:
  RequestOptions Options() const {
    RequestOptions options;
    options.timeout = deadline_.Left();
    return options;
  }

  absl::Status Lie(std::string_view what) const {
    return absl::FailedPreconditionError(
        absl::StrCat(store_.name(), " cannot be an archive: ", ToAbsl(what),
                     " Two owners could then both believe that they own the store."));
  }
  absl::Status Failed(const absl::Status& status, std::string_view what) const {
    return Annotate(status, absl::StrCat(store_.name(), " cannot be used yet: ", ToAbsl(what)));
  }

  absl::Status AbsentObjectIsNotFound() const {
    const std::string key = absl::StrCat(prefix_, "absent");
    const absl::Status status = store_.Get(key, Options()).status();
    if (absl::IsNotFound(status)) return absl::OkStatus();
    if (status.ok()) return Lie("it has an object that nobody made.");
    if (absl::IsPermissionDenied(status)) {
      return absl::PermissionDeniedError(
          absl::StrCat(store_.name(),
                       " forbids to read an object that does not exist, so that absent cannot be "
                       "told from forbidden: the permission to list is missing (s3:ListBucket on "
                       "the bucket, or to read the directory), or the credentials are wrong. ",
                       status.message()));
    }
    return Failed(status, "reading an absent object");
  }

  absl::Status NothingIsListed() const {
    MOORING_ASSIGN_OR_RETURN(const std::vector<ObjectInfo> objects, ListAfter(""));
    if (objects.empty()) return absl::OkStatus();
    return Lie(
        absl::StrCat("it lists ", objects[0].key, " below ", prefix_, ", where nothing was made."));
  }

  absl::StatusOr<std::vector<ObjectInfo>> ListAfter(std::string_view after) const {
    absl::StatusOr<std::vector<ObjectInfo>> objects = store_.List(prefix_, after, 1000, Options());
    if (objects.ok()) return objects;
    return Failed(objects.status(), "listing");
  }

  static std::string Bytes(int racer) { return absl::StrCat("written by racer ", racer); }

  absl::Status OneCreateWins(const std::string& key) {
    made_.insert(key);
    std::vector<absl::Status> results(kRacers);
    std::vector<std::thread> racers;
    for (int racer = 0; racer < kRacers; ++racer) {
      racers.emplace_back(
          [&, racer] { results[racer] = store_.Create(key, Bytes(racer), Options()); });
    }
    for (std::thread& racer : racers) racer.join();
    return JudgeRace(key, results);
  }

  // A racer whose outcome is unknown may be the winner; then no other one is.
  absl::Status JudgeRace(const std::string& key, const std::vector<absl::Status>& results) const {
    std::vector<int> winners;
    bool unknown = false;
    for (int racer = 0; racer < kRacers; ++racer) {
      const absl::Status& result = results[racer];
      if (result.ok()) winners.push_back(racer);
      if (absl::IsUnavailable(result)) unknown = true;
      if (!result.ok() && !absl::IsUnavailable(result) && !absl::IsAlreadyExists(result)) {
        return Failed(result, "creating an object");
      }
    }
    if (winners.size() > 1) {
      return Lie(absl::StrCat("of ", kRacers, " racing creates of one object ", winners.size(),
                              " were told that they made it; it ignores the condition "
                              "\"only if absent\" (If-None-Match: *), as some servers do where "
                              "the bucket is versioned."));
    }
    const absl::StatusOr<std::string> bytes = store_.Get(key, Options());
    if (absl::IsNotFound(bytes.status()) && winners.size() == 1) {
      return Lie("an object that was just made is not found.");
    }
    if (winners.empty() && !unknown) return Lie("of racing creates of a new object none won.");
    if (absl::IsNotFound(bytes.status())) {
      return absl::UnavailableError(
          absl::StrCat(store_.name(), " did not finish a create. Try again later."));
    }
    if (!bytes.ok()) return Failed(bytes.status(), "reading a new object");
    if (winners.size() == 1 && *bytes != Bytes(winners[0])) {
      return Lie("the winner's object holds the bytes of another that was told it lost.");
    }
    return LateCreateLoses(key, *bytes);
  }

  absl::Status LateCreateLoses(const std::string& key, const std::string& bytes) const {
    const absl::Status status = store_.Create(key, "written late", Options());
    if (status.ok()) return Lie("a create replaced an object that was there.");
    if (!absl::IsAlreadyExists(status)) return Failed(status, "creating an object again");
    MOORING_ASSIGN_OR_RETURN(const std::string now, store_.Get(key, Options()));
    if (now != bytes) return Lie("a create that was refused changed the object.");
    return absl::OkStatus();
  }

  // After `round` there are round + 1 objects, and the newest sorts last.
  absl::Status NewObjectIsListed(int round) const {
    MOORING_ASSIGN_OR_RETURN(const std::vector<ObjectInfo> all, ListAfter(""));
    const std::vector<std::string> expected(made_.begin(), made_.end());
    std::vector<std::string> listed;
    for (const ObjectInfo& object : all) listed.push_back(object.key);
    if (listed != expected) {
      return Lie(absl::StrCat("its list shows ", listed.size(), " of ", expected.size(),
                              " objects just made, or not in the order of their names."));
    }
    if (all.back().size != static_cast<int64_t>(Bytes(0).size())) {
      return Lie(absl::StrCat("its list says ", all.back().size, " bytes of an object of ",
                              Bytes(0).size(), "."));
    }
    MOORING_ASSIGN_OR_RETURN(const std::vector<ObjectInfo> rest, ListAfter(expected[0]));
    if (static_cast<int>(rest.size()) != round) {
      return Lie("its list does not begin where it is told to (start-after).");
    }
    return absl::OkStatus();
  }

  absl::Status RangeIsExact() const {
    const absl::StatusOr<std::string> part = store_.GetRange(*made_.begin(), 3, 5, Options());
    if (!part.ok()) return Failed(part.status(), "reading a part of an object");
    if (*part != Bytes(0).substr(3, 5))
      return Lie("a part of an object is not what was asked for.");
    return absl::OkStatus();
  }

  // An object whose only create was answered. What is not answered may yet arrive, after a delete
  // too.
  absl::StatusOr<std::string> MakeAlone() {
    absl::Status status;
    for (int round = 0; round < kRounds; ++round) {
      const std::string key = absl::StrCat(prefix_, "alone-", round);
      made_.insert(key);
      status = store_.Create(key, Bytes(0), Options());
      if (status.ok()) return key;
      if (!absl::IsUnavailable(status)) break;
    }
    return Failed(status, "creating an object");
  }

  absl::Status DeletedObjectIsGone(const std::string& key) const {
    if (absl::Status status = store_.Delete(key, Options()); !status.ok()) {
      return Failed(status, "deleting an object");
    }
    const absl::Status status = store_.Get(key, Options()).status();
    if (absl::IsNotFound(status)) return absl::OkStatus();
    return status.ok() ? Lie("a deleted object is still there.") : Failed(status, "reading");
  }

  // In a bucket with versions a deleted object's name leads to a mark that says so.
  absl::Status DeletedObjectCanBeMadeAgain(const std::string& key) const {
    const absl::Status status = store_.Create(key, "made again", Options());
    if (absl::IsAlreadyExists(status)) {
      return Lie("a deleted object's name counts as taken (is the bucket versioned?).");
    }
    if (!status.ok() && !absl::IsUnavailable(status)) {
      return Failed(status, "creating a deleted object");
    }
    const absl::StatusOr<std::string> bytes = store_.Get(key, Options());
    if (!bytes.ok()) return Failed(status.ok() ? bytes.status() : status, "creating again");
    return *bytes == "made again" ? absl::OkStatus()
                                  : Lie("an object that was made again has its old bytes.");
  }

  ObjectStore& store_;
  const Deadline deadline_;
  const std::string prefix_;
  std::set<std::string> made_;
};

}  // namespace

absl::Status ProbeObjectStore(ObjectStore& store, absl::Duration timeout) {
  return Probe(store, timeout).Run();
}

}  // namespace mooring::objectstore
