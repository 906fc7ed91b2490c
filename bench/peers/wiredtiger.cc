#include <wiredtiger.h>

#include "absl/strings/str_cat.h"
#include "bench/peers/peer.h"
#include "mooring/status_macros.h"

namespace mooring::bench {
namespace {

absl::Status ToStatus(int code) {
  if (code == 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("wiredtiger: ", wiredtiger_strerror(code)));
}

WT_ITEM ToItem(std::string_view text) {
  WT_ITEM item = {};
  item.data = text.data();
  item.size = text.size();
  return item;
}

// WiredTiger's B-tree with its log, synced at each commit. A session and a cursor for each thread.
class WiredTiger : public Peer {
 public:
  ~WiredTiger() override { WiredTiger::Close().IgnoreError(); }

  absl::Status Open(const PeerOptions& options) override {
    if (options.survives != Survives::kPowerLoss) {
      return absl::UnimplementedError("WiredTiger without sync is not compared");
    }
    const int64_t cache = options.cache_bytes > 0 ? options.cache_bytes : kCacheBytes;
    const std::string config = absl::StrCat(
        "create,log=(enabled=true),transaction_sync=(enabled=true,method=fsync),cache_size=",
        cache + options.write_buffer_bytes);
    MOORING_RETURN_IF_ERROR(ToStatus(
        wiredtiger_open(options.directory.c_str(), nullptr, config.c_str(), &connection_)));
    for (int i = 0; i < options.writers; ++i) {
      sessions_.emplace_back();
      MOORING_RETURN_IF_ERROR(Begin(&sessions_.back()));
    }
    return absl::OkStatus();
  }

  absl::Status Commit(int writer, std::string_view key, std::string_view value) override {
    return CommitAll(writer, {{key, value}});
  }

  absl::Status CommitAll(int writer, const std::vector<Pair>& pairs) override {
    const Session& session = sessions_[static_cast<size_t>(writer)];
    for (;;) {
      MOORING_RETURN_IF_ERROR(
          ToStatus(session.session->begin_transaction(session.session, nullptr)));
      const int put = PutAll(session, pairs);
      if (put == 0) return ToStatus(session.session->commit_transaction(session.session, nullptr));
      session.session->rollback_transaction(session.session, nullptr);
      if (put != WT_ROLLBACK) return ToStatus(put);
    }
  }

  absl::StatusOr<bool> Read(int reader, std::string_view key, std::string* value) override {
    WT_CURSOR* const cursor = sessions_[static_cast<size_t>(reader)].cursor;
    const WT_ITEM wanted = ToItem(key);
    cursor->set_key(cursor, &wanted);
    const int found = cursor->search(cursor);
    if (found == WT_NOTFOUND) return false;
    MOORING_RETURN_IF_ERROR(ToStatus(found));
    WT_ITEM item = {};
    MOORING_RETURN_IF_ERROR(ToStatus(cursor->get_value(cursor, &item)));
    value->assign(static_cast<const char*>(item.data), item.size);
    MOORING_RETURN_IF_ERROR(ToStatus(cursor->reset(cursor)));
    return true;
  }

  absl::StatusOr<uint64_t> Scan(int reader, std::string_view begin, int limit) override {
    return Walk(reader, begin, limit, /*back=*/false);
  }
  absl::StatusOr<uint64_t> ScanBack(int reader, std::string_view end, int limit) override {
    return Walk(reader, end, limit, /*back=*/true);
  }

  absl::Status Close() override {
    sessions_.clear();
    if (connection_ == nullptr) return absl::OkStatus();
    WT_CONNECTION* const connection = std::exchange(connection_, nullptr);
    return ToStatus(connection->close(connection, nullptr));  // With its sessions and cursors.
  }

 private:
  struct Session {
    WT_SESSION* session = nullptr;
    WT_CURSOR* cursor = nullptr;
  };

  absl::Status Begin(Session* session) {
    MOORING_RETURN_IF_ERROR(
        ToStatus(connection_->open_session(connection_, nullptr, nullptr, &session->session)));
    MOORING_RETURN_IF_ERROR(ToStatus(
        session->session->create(session->session, "table:pairs", "key_format=u,value_format=u")));
    return ToStatus(session->session->open_cursor(session->session, "table:pairs", nullptr, nullptr,
                                                  &session->cursor));
  }

  static int PutAll(const Session& session, const std::vector<Pair>& pairs) {
    for (const Pair& pair : pairs) {
      const WT_ITEM key = ToItem(pair.key);
      const WT_ITEM value = ToItem(pair.value);
      session.cursor->set_key(session.cursor, &key);
      session.cursor->set_value(session.cursor, &value);
      if (const int put = session.cursor->insert(session.cursor); put != 0) return put;
    }
    return 0;
  }

  // From `from` on, or from before it.
  absl::StatusOr<uint64_t> Walk(int reader, std::string_view from, int limit, bool back) {
    WT_CURSOR* const cursor = sessions_[static_cast<size_t>(reader)].cursor;
    const auto step = [&] { return back ? cursor->prev(cursor) : cursor->next(cursor); };
    const WT_ITEM wanted = ToItem(from);
    cursor->set_key(cursor, &wanted);
    int nearest = 0;
    int code = cursor->search_near(cursor, &nearest);
    if (code == 0 && (back ? nearest >= 0 : nearest < 0)) code = step();
    uint64_t bytes = 0;
    for (; code == 0 && limit-- > 0; code = step()) {
      WT_ITEM key = {};
      WT_ITEM value = {};
      cursor->get_key(cursor, &key);
      cursor->get_value(cursor, &value);
      bytes += key.size + value.size;
    }
    if (code != WT_NOTFOUND) MOORING_RETURN_IF_ERROR(ToStatus(code));
    MOORING_RETURN_IF_ERROR(ToStatus(cursor->reset(cursor)));
    return bytes;
  }

  WT_CONNECTION* connection_ = nullptr;
  std::vector<Session> sessions_;
};

}  // namespace

std::unique_ptr<Peer> MakeWiredTiger() { return std::make_unique<WiredTiger>(); }

}  // namespace mooring::bench
