// make_seeds DIRECTORY: the inputs that the corpora began with, small and whole.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "mooring/store.h"
#include "src/archive/entry.h"
#include "src/archive/frame.h"
#include "src/base/crc32c.h"
#include "src/snapshot/format.h"
#include "src/snapshot/writer.h"
#include "src/wal/format.h"
#include "tests/archive/entries.h"

namespace mooring {
namespace {

void Write(const std::string& directory, const std::string& name, std::string_view bytes) {
  std::filesystem::create_directories(directory);
  std::ofstream(absl::StrCat(directory, "/", name), std::ios::binary) << bytes;
}

class StringSink : public SnapshotSink {
 public:
  absl::Status Write(std::string_view data) override {
    bytes.append(data);
    return absl::OkStatus();
  }
  std::string bytes;
};

std::string MakeSnapshot(bool compress) {
  StringSink sink;
  snapshot::Writer writer(&sink, compress);
  snapshot::Head head;
  head.engine = std::string(snapshot::kEngine);
  head.store_id = std::string(32, '1');
  head.tables = {"t"};
  head.past = {{std::string(32, '2'), 1, 1}};
  writer.Begin(head).IgnoreError();
  const std::vector<std::pair<snapshot::Part, std::string>> parts = {
      {{snapshot::PartKind::kTableFile, "000012.sst"}, std::string(200, 'x')},
      {{snapshot::PartKind::kManifest, "MANIFEST-000005"}, "manifest"},
      {{snapshot::PartKind::kCurrent, "CURRENT"}, "MANIFEST-000005\n"}};
  for (const auto& [part, bytes] : parts) {
    writer.BeginPart(part).IgnoreError();
    bytes.copy(writer.buffer(), bytes.size());
    writer.Add(bytes.size()).IgnoreError();
    writer.EndPart().IgnoreError();
  }
  writer.Finish().IgnoreError();
  return sink.bytes;
}

void WriteEntries(const std::string& directory) {
  using namespace archive;  // NOLINT
  constexpr uint64_t kSlot = 17;
  const auto write = [&](const std::string& name, const Entry& entry) {
    const absl::StatusOr<std::string> encoded = EncodeEntry(entry);
    if (!encoded.ok()) std::cerr << name << ": " << encoded.status() << std::endl;
    if (encoded.ok()) Write(directory, name, *encoded);
  };
  write("claim", MakeEntry(kSlot, 1, Claim(kSlot, 2)));
  write("log", MakeEntry(kSlot, 1, Log({MakeSegment(1, 1, 3)})));
  LogEntry merged = Log({MakeSegment(1, 1, 300)});
  merged.last_slot = 20;
  write("merged", MakeEntry(kSlot, 1, merged));
  write("checkpoint", MakeEntry(kSlot, 1, Checkpoint(5, 3, MakeHistory({{1, 1}}))));
  CollectEntry collect;
  collect.slots = {{1, 3}};
  collect.files = {"1-000012-s-100"};
  write("collect", MakeEntry(kSlot, 1, collect));
  write("close", MakeEntry(kSlot, 1, CloseEntry{}));
  const absl::StatusOr<std::string> identity = EncodeIdentity({Id(1), Id(2)});
  if (identity.ok()) Write(directory, "identity", *identity);
}

// Two frames of one record each, as RocksDB lays them out.
std::string MakeLog() {
  wal::LogHeader header;
  header.log = 7;
  header.generation = 99;
  header.capacity = 8192;
  header.incarnation = 1;
  header.first = true;
  std::string file(wal::kHeaderBytes, '\0');
  wal::EncodeLogHeader(header, file.data());
  uint64_t logical = 0;
  for (int i = 0; i < 2; ++i) {
    // sequence, one operation, a commit marker is left to the fuzzer.
    std::string record(12, '\0');
    record[0] = static_cast<char>(i + 1);
    record[8] = 1;
    record += std::string("\x01\x01k\x01v", 5);
    std::string payload(7, '\0');
    payload[4] = static_cast<char>(record.size());
    payload[6] = 1;
    payload += record;
    wal::FrameHeader frame;
    frame.generation = header.generation;
    frame.log = header.log;
    frame.logical_offset = logical;
    frame.physical_offset = file.size();
    frame.payload_bytes = static_cast<uint32_t>(payload.size());
    frame.payload_crc = Crc32c(payload);
    std::string bytes(wal::FrameBytes(wal::kFrameHeaderBytes, payload.size()), '\0');
    wal::EncodeFrameHeader(frame, bytes.data());
    payload.copy(bytes.data() + wal::kFrameHeaderBytes, payload.size());
    file += bytes;
    logical += payload.size();
  }
  return file + std::string(8192 - file.size(), '\0');
}

// The log of a real store.
void WriteRealLog(const std::string& directory) {
  const std::string volume = absl::StrCat(directory, "/store");
  std::filesystem::create_directories(volume);
  Options options;
  options.volume = volume;
  options.allow_unsafe_volume = true;
  options.wal_file_bytes = int64_t{1} << 20;
  {
    auto store = Store::Open(options);
    if (!store.ok()) return;
    auto table = (*store)->OpenTable("t");
    for (int i = 0; i < 3; ++i) table->Put(absl::StrCat("key", i), "value").status().IgnoreError();
    for (const auto& entry : std::filesystem::directory_iterator(volume + "/data")) {
      if (entry.path().extension() != ".log") continue;
      std::ifstream file(entry.path(), std::ios::binary);
      std::string bytes(8192, '\0');
      file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
      bytes[16] = 7;  // The number that the target expects; it makes the checksum right.
      for (size_t at = wal::kHeaderBytes; at + 200 < bytes.size() && bytes[at] == 'M'; at += 8) {
        if (bytes.compare(at, 4, "MFRM") == 0) bytes[at + 32] = 7;
      }
      Write(directory, "real", bytes);
    }
  }
  std::filesystem::remove_all(volume);
}

}  // namespace
}  // namespace mooring

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::string directory = argv[1];
  mooring::Write(directory + "/snapshot", "compressed", mooring::MakeSnapshot(true));
  mooring::Write(directory + "/snapshot", "plain", mooring::MakeSnapshot(false));
  mooring::WriteEntries(directory + "/entry");
  mooring::Write(directory + "/log", "made", mooring::MakeLog());
  mooring::WriteRealLog(directory + "/log");
  return 0;
}
