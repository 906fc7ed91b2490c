#include <sqlite3.h>

#include "absl/strings/str_cat.h"
#include "bench/peers/peer.h"
#include "mooring/status_macros.h"

namespace mooring::bench {
namespace {

constexpr int kBusyTimeoutMs = 60'000;

absl::Status ToStatus(int code, sqlite3* connection) {
  if (code == SQLITE_OK || code == SQLITE_DONE) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(
      "sqlite: ", connection == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(connection)));
}

// SQLite with a write-ahead log and synchronous=FULL, which syncs the log at each commit. One
// connection and one prepared statement for each writer; SQLite's own busy handler makes them wait.
class Sqlite : public Peer {
 public:
  ~Sqlite() override { Sqlite::Close().IgnoreError(); }

  absl::Status Open(const PeerOptions& options) override {
    if (options.survives != Survives::kPowerLoss) {
      return absl::UnimplementedError("SQLite without sync is not compared");
    }
    for (int i = 0; i < options.writers; ++i) {
      connections_.emplace_back();
      MOORING_RETURN_IF_ERROR(Connect(options.directory + "/db", &connections_.back()));
    }
    return absl::OkStatus();
  }

  absl::Status Commit(int writer, std::string_view key, std::string_view value) override {
    const Connection& connection = connections_[static_cast<size_t>(writer)];
    sqlite3_bind_blob(connection.put, 1, key.data(), static_cast<int>(key.size()), SQLITE_STATIC);
    sqlite3_bind_blob(connection.put, 2, value.data(), static_cast<int>(value.size()),
                      SQLITE_STATIC);
    absl::Status status = ToStatus(sqlite3_step(connection.put), connection.db);
    sqlite3_reset(connection.put);
    return status;
  }

  absl::Status CommitAll(int writer, const std::vector<Pair>& pairs) override {
    const Connection& connection = connections_[static_cast<size_t>(writer)];
    MOORING_RETURN_IF_ERROR(Execute("BEGIN IMMEDIATE", connection));
    for (const Pair& pair : pairs) {
      MOORING_RETURN_IF_ERROR(Commit(writer, pair.key, pair.value));
    }
    return Execute("COMMIT", connection);
  }

  absl::StatusOr<bool> Read(int reader, std::string_view key, std::string* value) override {
    const Connection& connection = connections_[static_cast<size_t>(reader)];
    sqlite3_bind_blob(connection.get, 1, key.data(), static_cast<int>(key.size()), SQLITE_STATIC);
    const int step = sqlite3_step(connection.get);
    if (step == SQLITE_ROW) {
      value->assign(static_cast<const char*>(sqlite3_column_blob(connection.get, 0)),
                    static_cast<size_t>(sqlite3_column_bytes(connection.get, 0)));
    } else {
      MOORING_RETURN_IF_ERROR(ToStatus(step, connection.db));
    }
    sqlite3_reset(connection.get);
    return step == SQLITE_ROW;
  }

  absl::StatusOr<uint64_t> Scan(int reader, std::string_view begin, int limit) override {
    const Connection& connection = connections_[static_cast<size_t>(reader)];
    return Walk(connection, connection.scan, begin, limit);
  }

  absl::StatusOr<uint64_t> ScanBack(int reader, std::string_view end, int limit) override {
    const Connection& connection = connections_[static_cast<size_t>(reader)];
    return Walk(connection, connection.scan_back, end, limit);
  }

  absl::Status Close() override {
    for (const Connection& connection : connections_) {
      for (sqlite3_stmt* statement :
           {connection.put, connection.get, connection.scan, connection.scan_back}) {
        sqlite3_finalize(statement);
      }
      sqlite3_close(connection.db);
    }
    connections_.clear();
    return absl::OkStatus();
  }

 private:
  struct Connection {
    sqlite3* db = nullptr;
    sqlite3_stmt* put = nullptr;
    sqlite3_stmt* get = nullptr;
    sqlite3_stmt* scan = nullptr;
    sqlite3_stmt* scan_back = nullptr;
  };

  static absl::StatusOr<uint64_t> Walk(const Connection& connection, sqlite3_stmt* scan,
                                       std::string_view from, int limit) {
    sqlite3_bind_blob(scan, 1, from.data(), static_cast<int>(from.size()), SQLITE_STATIC);
    sqlite3_bind_int(scan, 2, limit);
    uint64_t bytes = 0;
    int step = sqlite3_step(scan);
    for (; step == SQLITE_ROW; step = sqlite3_step(scan)) {
      bytes += static_cast<uint64_t>(sqlite3_column_bytes(scan, 0)) +
               static_cast<uint64_t>(sqlite3_column_bytes(scan, 1));
    }
    MOORING_RETURN_IF_ERROR(ToStatus(step, connection.db));
    sqlite3_reset(scan);
    return bytes;
  }

  static absl::Status Execute(const char* statement, const Connection& connection) {
    return ToStatus(sqlite3_exec(connection.db, statement, nullptr, nullptr, nullptr),
                    connection.db);
  }

  static absl::Status Connect(const std::string& path, Connection* connection) {
    const int opened =
        sqlite3_open_v2(path.c_str(), &connection->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
    MOORING_RETURN_IF_ERROR(ToStatus(opened, connection->db));
    sqlite3_busy_timeout(connection->db, kBusyTimeoutMs);
    for (const char* statement :
         {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL",
          "CREATE TABLE IF NOT EXISTS pairs (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID"}) {
      MOORING_RETURN_IF_ERROR(Execute(statement, *connection));
    }
    const auto prepare = [&](const char* statement, sqlite3_stmt** prepared) {
      return ToStatus(sqlite3_prepare_v2(connection->db, statement, -1, prepared, nullptr),
                      connection->db);
    };
    MOORING_RETURN_IF_ERROR(
        prepare("INSERT OR REPLACE INTO pairs VALUES (?, ?)", &connection->put));
    MOORING_RETURN_IF_ERROR(prepare("SELECT value FROM pairs WHERE key = ?", &connection->get));
    MOORING_RETURN_IF_ERROR(prepare(
        "SELECT key, value FROM pairs WHERE key >= ? ORDER BY key LIMIT ?", &connection->scan));
    return prepare("SELECT key, value FROM pairs WHERE key < ? ORDER BY key DESC LIMIT ?",
                   &connection->scan_back);
  }

  std::vector<Connection> connections_;
};

}  // namespace

std::unique_ptr<Peer> MakeSqlite() { return std::make_unique<Sqlite>(); }

}  // namespace mooring::bench
