#pragma once

#include <rocksdb/file_system.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "src/wal/format.h"

namespace mooring::wal {

// Each switches one rule off, to show that the tests would notice. Never for anything but tests.
struct TestSwitches {
  bool no_claims = false;                // W3: frames claim nothing
  bool no_inventory_sync = false;        // W3: the inventory is written, never synced
  bool no_idle_witness = false;          // W3(c): nothing is witnessed when commits pause
  bool delete_before_inventory = false;  // W3(b): a log goes before the inventory forgets it
  bool claim_before_sync = false;        // W3: positions are published before fdatasync answers
  bool no_chain_check = false;           // W4: predecessors may be too short
  bool no_incarnations = false;          // W4: logs of older incarnations are not known obsolete
  bool no_continuity_check = false;      // W5
  bool recycle_while_open = false;       // W6
  bool forgive_errors = false;           // W7: nothing is poisoned
  bool no_sync_before_scan = false;      // W8
  bool acknowledge_before_sync = false;  // Sync() answers OK without fdatasync
  bool no_directory_sync = false;
  bool no_header_sync = false;
  bool write_beyond_reach = false;   // W9: frames go beyond what the inventory states
  bool accept_zeroed_block = false;  // the scan steps over damage, as RocksDB's reader does
  bool spares_inline = false;  // spares are made by the caller, so that a seed replays the same
};

// Learns how far the log is on the disk, and holds logs back from deletion: the archive's side of
// the log. Called from RocksDB's threads; must return soon and must not call back.
class LogObserver {
 public:
  virtual ~LogObserver() = default;
  // A log was made, and will be written next; its predecessor, of which nothing is told where there
  // is none, is complete with that length.
  virtual void OnLogCreated(const Position& /*position*/, const Position& /*predecessor*/,
                            const std::string& /*path*/) {}
  // Everything up to `position` is on the disk. Called before the commit is acknowledged.
  virtual void OnSynced(const Position& position) = 0;
  // RocksDB needs the log no more. True keeps its file, renamed to `held_path`, until
  // LogFileSystem::ReleaseHeld().
  virtual bool HoldDeleted(const Position& end, const std::string& held_path) = 0;
};

struct LogOptions {
  std::string directory;                      // RocksDB's; made if it is not there
  std::string store_id;                       // 32 hexadecimal digits
  std::shared_ptr<rocksdb::FileSystem> base;  // null: RocksDB's default

  // End the replay before the first record that writes to a table which the MANIFEST lacks. For
  // logs that go beyond what the MANIFEST was restored from; a log of one's own may hold commits to
  // tables that were dropped since.
  bool stop_at_unknown_tables = false;

  // Bytes preallocated for each log file. A log may grow beyond. From 64 KiB to 1 GiB.
  uint64_t file_bytes = 64 << 20;
  // Log files kept ready. Each takes `file_bytes`. From 0 to 16.
  int spares = 2;
  // A commit is witnessed in the inventory after so long without another one.
  absl::Duration witness_delay = absl::Milliseconds(20);
  // Bytes scanned and bytes to scan.
  std::function<void(int64_t done, int64_t total)> progress;
  // Log bytes that RocksDB has read for its replay, and all that it will; until DatabaseOpened().
  std::function<void(int64_t done, int64_t total)> replay_progress;

  // For a look that changes nothing: W8 is left out, so what it finds may not survive power loss.
  bool only_look = false;

  TestSwitches test;
};

}  // namespace mooring::wal
