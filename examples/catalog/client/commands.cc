#include "examples/catalog/client/commands.h"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "examples/catalog/client/ack_log.h"
#include "examples/catalog/client/connection.h"
#include "examples/catalog/client/records.h"

namespace catalog {
namespace {

using Clock = std::chrono::steady_clock;

void Complain(const std::string& message) { std::fprintf(stderr, "client: %s\n", message.c_str()); }

ExitCode Misused(const absl::Status& status) {
  Complain(status.ToString());
  return kMisused;
}

std::string Describe(const Connection::Answer& answer) {
  if (answer.code == 0) return "no answer";
  return "answer " + std::to_string(answer.code) + ": " + answer.body;
}

// Runs `body` in so many threads, each with a connection of its own.
void InThreads(const ClientOptions& options, const std::function<void(Connection*)>& body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < options.threads; ++i) {
    threads.emplace_back([&options, &body] {
      Connection connection(options.host, options.port, options.timeout);
      body(&connection);
    });
  }
  for (std::thread& thread : threads) thread.join();
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
  std::atomic<int> result{kDone};
  InThreads(options, [&](Connection* connection) {
    while (result == kDone) {
      if (options.stop_after > 0 && acknowledged >= options.stop_after) return;
      const size_t i = next++;
      if (i >= records->size()) return;
      const Record& record = (*records)[i];
      if (before->count(record.key) > 0) continue;
      const Connection::Answer answer = connection->Put(record.key, record.value);
      if (answer.code != 200) {
        if (result.exchange(kServiceGone) == kDone) {
          Complain("the load ends at " + record.key + ": " + Describe(answer));
        }
        return;
      }
      if (!log.Append(record.key, HashOf(record.value))) {
        Complain("cannot write to " + options.acks);
        result = kMisused;
        return;
      }
      ++acknowledged;
    }
  });
  return static_cast<ExitCode>(result.load());
}

ExitCode Verify(const ClientOptions& options) {
  const absl::StatusOr<Records> records = Records::Read(options.input);
  if (!records.ok()) return Misused(records.status());
  const absl::StatusOr<AckLog::Entries> entries = AckLog::Read(options.acks);
  if (!entries.ok()) return Misused(entries.status());
  std::vector<const Record*> expected;
  for (const auto& [key, hash] : *entries) {
    const Record* record = records->Find(key);
    if (record == nullptr || HashOf(record->value) != hash) {
      return Misused(absl::InvalidArgumentError(options.acks + " is not of " + options.input +
                                                ": see " + key));
    }
    expected.push_back(record);
  }

  std::atomic<size_t> next{0};
  std::atomic<size_t> lost{0};
  std::atomic<bool> gone{false};
  InThreads(options, [&](Connection* connection) {
    for (size_t i; !gone && (i = next++) < expected.size();) {
      const Connection::Answer answer = connection->Get(expected[i]->key);
      if (answer.code == 200 && answer.body == expected[i]->value) continue;
      if (answer.code != 200 && answer.code != 404) gone = true;
      ++lost;
      Complain(expected[i]->key + ": acknowledged, now " +
               (answer.code == 200 ? "another value" : Describe(answer)));
    }
  });
  if (gone) return kServiceGone;
  std::printf("acknowledged %zu  recovered %zu  lost %zu\n", expected.size(),
              expected.size() - lost, lost.load());
  return lost == 0 ? kDone : kLost;
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
  const Connection::Answer answer = connection.GetPath(path);
  if (answer.code == 0) return kServiceGone;
  std::printf("%d %s", answer.code, answer.body.c_str());
  return kDone;
}

}  // namespace catalog
