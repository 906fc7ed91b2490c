// Options::log is called from any thread, never two at a time.
#include "src/store/serial_log.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "rocksdb/env.h"
#include "src/engine/rocksdb_options.h"

namespace mooring::internal {
namespace {

// The engine's logger is called by all of its threads, and the store calls the same log itself.
TEST(SerialLogTest, IsNeverCalledTwiceAtOnce) {
  std::atomic<int> inside{0};
  std::atomic<int> together{0};
  std::atomic<int> calls{0};
  engine::EngineOptions options;
  options.log = OneAtATime([&](LogSeverity, std::string_view) {
    if (inside.fetch_add(1) > 0) ++together;
    std::this_thread::yield();
    inside.fetch_sub(1);
    ++calls;
  });
  const auto logger = engine::MakeDbOptions(options, nullptr, nullptr, nullptr).info_log;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int n = 0; n < 2000; ++n) {
        if (i == 0) options.log(LogSeverity::kInfo, "the store");
        if (i != 0) rocksdb::Warn(logger, "the engine");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(calls.load(), 8000);
  EXPECT_EQ(together.load(), 0);
}

TEST(SerialLogTest, OfNoLogIsNone) { EXPECT_FALSE(OneAtATime(nullptr)); }

}  // namespace
}  // namespace mooring::internal
