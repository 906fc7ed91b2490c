#include "examples/catalog/client/commands.h"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <optional>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "examples/catalog/client/ack_log.h"
#include "examples/catalog/client/connection.h"
#include "examples/catalog/client/records.h"
#include "examples/catalog/client/session.h"

namespace catalog {
namespace {

using Clock = std::chrono::steady_clock;

int64_t NowMs() { return absl::ToUnixMillis(absl::Now()); }

ExitCode Print(const Connection::Answer& answer) {
  if (answer.code == 0) return kServiceGone;
  std::printf("%d %s", answer.code, answer.body.c_str());
  return kDone;
}

}  // namespace

ExitCode Load(const ClientOptions& options) {
  const absl::StatusOr<Records> records = Records::Read(options.input);
  if (!records.ok()) return Misused(records.status());
  const absl::StatusOr<AckLog::Entries> before = AckLog::Read(options.acks);
  if (!before.ok()) return Misused(before.status());
  AckLog log(options.acks);
  if (!log.status().ok()) return Misused(log.status());

  std::atomic<size_t> next{0};
  std::atomic<size_t> acknowledged{before->size()};
  std::atomic<size_t> refused{0};
  std::atomic<int> result{kDone};
  const auto refuse = [&](const Record& record, const Connection::Answer& answer) {
    ++refused;
    if (result.exchange(kServiceGone) == kDone) {
      Complain("refused " + record.key + ": " + Describe(answer));
    }
  };
  InThreads(options, [&](Connection* connection) {
    while (result == kDone || (result == kServiceGone && options.keep_going)) {
      if (options.stop_after > 0 && acknowledged >= options.stop_after) return;
      const size_t i = next++;
      if (i >= records->size()) return;
      const Record& record = (*records)[i];
      if (before->count(record.key) > 0) continue;
      const bool archived = options.archive_every > 0 && i % options.archive_every == 0;
      const Connection::Answer answer = connection->Put(record.key, record.value, archived);
      std::optional<Ack> ack;
      if (answer.code == 200) ack = ParseVersion(answer.body);
      if (!ack) {
        refuse(record, answer);
        continue;
      }
      ack->hash = HashOf(record.value);
      ack->archived = archived;
      ack->time_ms = NowMs();
      if (!log.Append(record.key, *ack)) {
        Complain("cannot write to " + options.acks);
        result = kMisused;
        return;
      }
      ++acknowledged;
    }
  });
  if (options.keep_going) {
    std::printf("acknowledged %zu  refused %zu\n", acknowledged - before->size(), refused.load());
  }
  return static_cast<ExitCode>(result.load());
}

ExitCode Count(const ClientOptions& options) {
  const absl::StatusOr<Records> records = Records::Read(options.input);
  if (!records.ok()) return Misused(records.status());
  std::printf("%zu\n", records->size());
  return kDone;
}

ExitCode WaitReady(const ClientOptions& options) {
  const Clock::time_point begin = Clock::now();
  const Clock::time_point deadline = begin + absl::ToChronoMilliseconds(options.timeout);
  Connection connection(options.host, options.port, absl::Seconds(5));
  while (true) {
    const Connection::Answer answer = connection.GetPath("/readyz");
    const Clock::time_point now = Clock::now();
    if (answer.code == 200) {
      const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(now - begin);
      std::printf("%lld\n", static_cast<long long>(waited.count()));
      return kDone;
    }
    if (now >= deadline) {
      Complain("not ready in time: " + Describe(answer));
      return kServiceGone;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

ExitCode Probe(const ClientOptions& options, const std::string& path) {
  Connection connection(options.host, options.port, options.timeout);
  return Print(connection.GetPath(path));
}

ExitCode Delete(const ClientOptions& options, const std::string& path) {
  Connection connection(options.host, options.port, options.timeout);
  return Print(connection.DeletePath(path));
}

}  // namespace catalog
