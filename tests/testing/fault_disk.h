#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "tests/testing/fault_file_contents.h"

namespace mooring::testing {

// Which unsynced directory operations a power cut may lose.
enum class DirectoryLoss {
  // In each directory those after some point: what journaling file systems (ext4, xfs) do, and what
  // RocksDB needs.
  kSuffix,
  // Any: all that POSIX promises. A rename stays atomic.
  kAny,
};

// A file system in memory that knows what the device would hold if the power went now. A file's
// bytes and size are durable after Sync; a name that was made, replaced or removed is durable after
// SyncDirectory of its directory. Paths are absolute, parts are separated by '/'.
//
// Calls return 0 or an errno. Thread-safe; every call is atomic.
class FaultDisk : public std::enable_shared_from_this<FaultDisk> {
  struct Node;

 public:
  struct FileInfo {
    bool is_directory = false;
    uint64_t size = 0;
    uint64_t links = 0;
    uint64_t modified = 0;  // a count of changes to the disk, not a time
  };

  // An open file: it stays usable after its last name is gone.
  class File {
   public:
    ~File();
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    int Write(uint64_t offset, std::string_view data);
    // Writes at the end. With a capacity, what fits is written before ENOSPC is returned.
    int Append(std::string_view data);
    int Truncate(uint64_t size);
    int Sync();
    void LoseDirtyPages();
    // The number of bytes read. `direct` reads past the page cache, as O_DIRECT does.
    size_t Read(uint64_t offset, size_t length, char* out, bool direct = false);
    uint64_t Size() const;
    const std::string& path() const { return path_; }

   private:
    friend class FaultDisk;
    File(std::shared_ptr<FaultDisk> disk, std::shared_ptr<Node> node, std::string_view path)
        : disk_(std::move(disk)), node_(std::move(node)), path_(path) {}

    const std::shared_ptr<FaultDisk> disk_;
    const std::shared_ptr<Node> node_;
    const std::string path_;
  };
  using FilePtr = std::shared_ptr<File>;

  FaultDisk();
  ~FaultDisk();

  struct OpenMode {
    bool create = false;
    bool truncate = false;
  };
  int Open(std::string_view path, OpenMode mode, FilePtr* file);
  int MakeDirectory(std::string_view path);
  int RemoveDirectory(std::string_view path);
  int Unlink(std::string_view path);
  int Rename(std::string_view from, std::string_view to);
  int Link(std::string_view from, std::string_view to);
  int Stat(std::string_view path, FileInfo* info) const;
  int List(std::string_view path, std::vector<std::string>* names) const;
  int SyncDirectory(std::string_view path);
  bool SameFile(std::string_view a, std::string_view b) const;

  // Everything becomes durable, as after sync(1).
  void SyncAll();
  // A disk of its own, as this one is now: what a killed process leaves.
  std::shared_ptr<FaultDisk> Clone() const;
  // A disk of its own with what a power cut now may leave. The same seed on the same disk gives the
  // same result.
  std::shared_ptr<FaultDisk> PowerCut(uint64_t seed, DirectoryLoss loss) const;
  // Forgets all clean pages: later reads show what the device holds.
  void DropCaches();

  // ENOSPC for whatever needs more than this.
  void SetCapacity(uint64_t bytes);
  uint64_t UsedBytes() const;
  uint64_t FreeBytes() const;

  // For damage and inspection by tests; durable at once.
  std::map<std::string, uint64_t> Files() const;  // path to size, of all files
  int ReadFile(std::string_view path, std::string* contents) const;
  int ReplaceFile(std::string_view path, std::string_view contents);
  int RemoveFile(std::string_view path);
  int FlipBits(std::string_view path, uint64_t offset, uint64_t length);
  int ZeroRange(std::string_view path, uint64_t offset, uint64_t length);
  int CutFile(std::string_view path, uint64_t size);

 private:
  using NodePtr = std::shared_ptr<Node>;
  struct Node {
    bool is_directory = false;
    // Of a file.
    FaultFileContents contents;
    uint64_t links = 0;
    uint64_t open_files = 0;
    uint64_t charged_pages = 0;
    uint64_t modified = 0;
    // Of a directory.
    std::map<std::string, std::shared_ptr<Node>, std::less<>> entries;
    std::map<std::string, std::shared_ptr<Node>, std::less<>> durable_entries;
  };
  // One name's change; a null node removes it.
  struct Change {
    NodePtr directory;
    std::string name;
    NodePtr node;
  };
  // Changes that survive together.
  using Operation = std::vector<Change>;
  struct Place {
    NodePtr directory;
    std::string name;
    NodePtr node;  // null: there is none of that name
  };
  using Copies = std::map<const Node*, NodePtr>;
  using Entries = std::map<std::string, NodePtr, std::less<>>;

  int Find(std::string_view path, Place* place) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  int FindFile(std::string_view path, NodePtr* node) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void Apply(Operation operation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SyncDirectoryNode(const NodePtr& directory) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SyncTree(const NodePtr& directory) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int WriteTo(const NodePtr& node, uint64_t offset, std::string_view data)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Charge(Node& node) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Touch(Node& node) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<const Operation*> Survivors(DirectoryLoss loss, FaultRandom& random) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  static NodePtr CopyTree(const NodePtr& node, Copies& copies);
  static NodePtr CopyAfterPowerCut(const NodePtr& node,
                                   const std::map<const Node*, Entries>& surviving_entries,
                                   FaultRandom& random, Copies& copies);
  // Makes the present entry `name` durable, whatever operations on it were unsynced.
  void MakeEntryDurable(const NodePtr& directory, const std::string& name)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ChargeTree(const NodePtr& node) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  template <typename Damage>
  int DamageFile(std::string_view path, Damage damage);

  mutable absl::Mutex mutex_;
  NodePtr root_ ABSL_GUARDED_BY(mutex_);
  std::vector<Operation> unsynced_ ABSL_GUARDED_BY(mutex_);  // in the order they were made
  uint64_t changes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t used_pages_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t capacity_bytes_ ABSL_GUARDED_BY(mutex_) = std::numeric_limits<uint64_t>::max();
};

}  // namespace mooring::testing
