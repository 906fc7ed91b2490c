#include <algorithm>
#include <atomic>
#include <cstdio>
#include <map>
#include <mutex>
#include <unordered_set>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "examples/catalog/client/ack_log.h"
#include "examples/catalog/client/records.h"
#include "examples/catalog/client/session.h"

namespace catalog {
namespace {

struct Expected {
  const Record* record = nullptr;
  Ack ack;
};

// Acknowledged at archive durability, or before one that was: of each epoch the newest sequence.
class Archived {
 public:
  explicit Archived(const std::vector<Expected>& expected) {
    for (const Expected& each : expected) {
      if (!each.ack.archived) continue;
      uint64_t& newest = newest_[each.ack.epoch];
      newest = std::max(newest, each.ack.sequence);
    }
  }
  bool Has(const Ack& ack) const {
    const auto found = newest_.find(ack.epoch);
    return ack.archived || (found != newest_.end() && ack.sequence <= found->second);
  }

 private:
  std::map<uint64_t, uint64_t> newest_;
};

absl::StatusOr<std::vector<Expected>> ReadExpected(const ClientOptions& options,
                                                   const Records& records) {
  const absl::StatusOr<AckLog::Entries> entries = AckLog::Read(options.acks);
  if (!entries.ok()) return entries.status();
  std::vector<Expected> expected;
  for (const auto& [key, ack] : *entries) {
    const Record* record = records.Find(key);
    if (record == nullptr || HashOf(record->value) != ack.hash) {
      return absl::InvalidArgumentError(options.acks + " is not of " + options.input + ": see " +
                                        key);
    }
    if (ack.sequence > options.after) expected.push_back({record, ack});
  }
  return expected;
}

// What of `expected` the service has not, or not so. UNAVAILABLE: it did not answer.
absl::StatusOr<std::vector<Expected>> FindLost(const ClientOptions& options,
                                               const std::vector<Expected>& expected) {
  std::atomic<size_t> next{0};
  std::atomic<bool> gone{false};
  std::mutex mutex;
  std::vector<Expected> lost;
  InThreads(options, [&](Connection* connection) {
    for (size_t i; !gone && (i = next++) < expected.size();) {
      const Record& record = *expected[i].record;
      const Connection::Answer answer = connection->Get(record.key);
      if (answer.code == 200 && answer.body == record.value) continue;
      if (answer.code != 200 && answer.code != 404) gone = true;
      std::lock_guard<std::mutex> lock(mutex);
      lost.push_back(expected[i]);
      Complain(record.key + ": acknowledged, now " +
               (answer.code == 200 ? "another value" : Describe(answer)));
    }
  });
  if (gone) return absl::UnavailableError("the service did not answer");
  return lost;
}

// How many of these keys the service has. UNAVAILABLE: it did not answer.
absl::StatusOr<size_t> CountFound(const ClientOptions& options,
                                  const std::vector<std::string>& keys) {
  std::atomic<size_t> next{0};
  std::atomic<size_t> found{0};
  std::atomic<bool> gone{false};
  InThreads(options, [&](Connection* connection) {
    for (size_t i; !gone && (i = next++) < keys.size();) {
      const Connection::Answer answer = connection->Get(keys[i]);
      if (answer.code == 200) ++found;
      if (answer.code != 200 && answer.code != 404) gone = true;
    }
  });
  if (gone) return absl::UnavailableError("the service did not answer");
  return found.load();
}

// A commit is never later than its acknowledgement: what was acknowledged before that ms was kept.
ExitCode VerifyRewound(const ClientOptions& options, const std::vector<Expected>& expected) {
  std::vector<Expected> kept;
  std::vector<std::string> later;
  for (const Expected& each : expected) {
    if (each.ack.sequence <= options.rewound_to || each.ack.time_ms < options.rewound_ms) {
      kept.push_back(each);
    } else {
      later.push_back(each.record->key);
    }
  }
  const absl::StatusOr<std::vector<Expected>> lost = FindLost(options, kept);
  if (!lost.ok()) return kServiceGone;
  const absl::StatusOr<size_t> found = CountFound(options, later);
  if (!found.ok()) return kServiceGone;
  std::printf("acknowledged %zu  recovered %zu  lost %zu; of %zu later ones found %zu\n",
              kept.size(), kept.size() - lost->size(), lost->size(), later.size(), *found);
  if (!lost->empty() || *found > 0) return kLost;
  const absl::Status removed = AckLog::Remove(options.acks, {later.begin(), later.end()});
  return removed.ok() ? kDone : Misused(removed);
}

// The volume was lost at `options.volume_lost_ms`: what is lost must have been acknowledged on the
// volume only, and late enough.
ExitCode ReportLossOfVolume(const ClientOptions& options, const std::vector<Expected>& expected,
                            const std::vector<Expected>& lost) {
  const Archived archived(expected);
  size_t archived_count = 0;
  size_t archived_lost = 0;
  int64_t age_ms = 0;
  std::unordered_set<std::string> lost_keys;
  for (const Expected& each : expected) archived_count += archived.Has(each.ack) ? 1 : 0;
  for (const Expected& each : lost) {
    if (archived.Has(each.ack)) ++archived_lost;
    age_ms = std::max(age_ms, options.volume_lost_ms - each.ack.time_ms);
    lost_keys.insert(each.record->key);
  }
  const size_t volume_count = expected.size() - archived_count;
  const size_t volume_lost = lost.size() - archived_lost;
  std::printf("at the archive: acknowledged %zu  recovered %zu  lost %zu\n", archived_count,
              archived_count - archived_lost, archived_lost);
  std::printf(
      "on the volume only: acknowledged %zu  recovered %zu  lost %zu, of the last %lld ms\n",
      volume_count, volume_count - volume_lost, volume_lost, static_cast<long long>(age_ms));
  if (archived_lost > 0) return kLost;
  if (age_ms > options.lag_ms) {
    Complain("the lag was " + std::to_string(options.lag_ms) + " ms");
    return kLost;
  }
  // A later load puts them again.
  if (const absl::Status status = AckLog::Remove(options.acks, lost_keys); !status.ok()) {
    return Misused(status);
  }
  return kDone;
}

}  // namespace

ExitCode Verify(const ClientOptions& options) {
  const absl::StatusOr<Records> records = Records::Read(options.input);
  if (!records.ok()) return Misused(records.status());
  const absl::StatusOr<std::vector<Expected>> expected = ReadExpected(options, *records);
  if (!expected.ok()) return Misused(expected.status());
  if (options.rewound_to > 0) return VerifyRewound(options, *expected);
  const absl::StatusOr<std::vector<Expected>> lost = FindLost(options, *expected);
  if (!lost.ok()) return kServiceGone;
  if (options.volume_lost_ms > 0) return ReportLossOfVolume(options, *expected, *lost);
  std::printf("acknowledged %zu  recovered %zu  lost %zu\n", expected->size(),
              expected->size() - lost->size(), lost->size());
  return lost->empty() ? kDone : kLost;
}

ExitCode Absent(const ClientOptions& options) {
  const absl::StatusOr<Records> records = Records::Read(options.input);
  if (!records.ok()) return Misused(records.status());
  const absl::StatusOr<std::vector<Expected>> acknowledged = ReadExpected(options, *records);
  if (!acknowledged.ok()) return Misused(acknowledged.status());
  std::vector<std::string> keys;
  for (size_t i = 0; i < records->size(); ++i) keys.push_back((*records)[i].key);
  const absl::StatusOr<size_t> found = CountFound(options, keys);
  if (!found.ok()) return kServiceGone;
  const auto at_archive =
      static_cast<size_t>(std::count_if(acknowledged->begin(), acknowledged->end(),
                                        [](const Expected& each) { return each.ack.archived; }));
  std::printf("acknowledged at the archive %zu, on the volume only %zu; found %zu of %zu\n",
              at_archive, acknowledged->size() - at_archive, *found, records->size());
  return at_archive == 0 && *found == 0 ? kDone : kLost;
}

}  // namespace catalog
