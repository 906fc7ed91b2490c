#include "src/archive/entry.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "archive.pb.h"
#include "mooring/status_macros.h"
#include "src/archive/entry_check.h"
#include "src/archive/frame.h"
#include "src/archive/payload.h"
#include "src/base/status.h"

namespace mooring::archive {
namespace {

constexpr size_t kSlotDigits = 20;

template <typename Repeated>
void ToWire(const History& history, Repeated* out) {
  for (const HistoryEntry& entry : history.entries()) {
    wire::HistoryEntry* wire = out->Add();
    wire->set_incarnation(entry.incarnation);
    wire->set_epoch(entry.epoch);
    wire->set_first_sequence(entry.first_sequence);
  }
}

template <typename Repeated>
absl::StatusOr<History> HistoryFromWire(const Repeated& wire) {
  std::vector<HistoryEntry> entries;
  entries.reserve(wire.size());
  for (const wire::HistoryEntry& entry : wire) {
    entries.push_back({entry.incarnation(), entry.epoch(), entry.first_sequence()});
  }
  return History::FromEntries(std::move(entries));
}

// `wire` gets the encoding, the result is the payload.
template <typename Wire>
std::string EncodePayload(const std::string& bytes, Wire* wire) {
  wire->set_raw_bytes(bytes.size());
  std::string compressed = Compress(bytes);
  wire->set_encoding(compressed.empty() ? wire::ENCODING_RAW : wire::ENCODING_ZSTD);
  return compressed.empty() ? bytes : compressed;
}

template <typename Wire>
absl::StatusOr<std::string> DecodePayload(const Wire& wire, std::string_view payload) {
  if (wire.raw_bytes() > kMaxPayloadBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("a payload of ", wire.raw_bytes(), " bytes, more than ", kMaxPayloadBytes));
  }
  switch (wire.encoding()) {
    case wire::ENCODING_ZSTD:
      return Decompress(payload, wire.raw_bytes());
    case wire::ENCODING_RAW:
      if (payload.size() == wire.raw_bytes()) return std::string(payload);
      return absl::InvalidArgumentError(
          absl::StrCat("its payload has ", payload.size(), " bytes instead of ", wire.raw_bytes()));
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("its payload has the unknown encoding ", wire.encoding()));
  }
}

std::string ToWire(const ClaimEntry& claim, wire::Header* header) {
  wire::Claim* wire = header->mutable_claim();
  wire->set_epoch(claim.epoch);
  wire->set_owner(claim.owner);
  ToWire(claim.history, wire->mutable_history());
  wire->set_taken_over_slot(claim.taken_over_slot);
  wire->set_taken_over_sequence(claim.taken_over_sequence);
  if (claim.continues_from) wire->set_continues_from(*claim.continues_from);
  wire->set_continues_slot(claim.continues_slot);
  return "";
}

std::string ToWire(const LogEntry& log, wire::Header* header) {
  wire::Log* wire = header->mutable_log();
  wire->set_predecessor(log.predecessor);
  wire->set_least_checkpoint(log.least_checkpoint);
  wire->set_last_slot(log.last_slot);
  for (const Segment& segment : log.segments) {
    wire::Segment* out = wire->add_segments();
    out->set_incarnation(segment.incarnation);
    out->set_epoch(segment.epoch);
    out->set_log(segment.log);
    out->set_generation(segment.generation);
    out->set_begin(segment.begin);
    out->set_end(segment.end);
    out->set_first_sequence(segment.first_sequence);
    out->set_last_sequence(segment.last_sequence);
    out->set_first_time_us(segment.first_time_us);
    out->set_last_time_us(segment.last_time_us);
  }
  return EncodePayload(log.bytes, wire);
}

std::string ToWire(const CheckpointEntry& checkpoint, wire::Header* header) {
  wire::Checkpoint* wire = header->mutable_checkpoint();
  for (const ArchivedFile& file : checkpoint.files) {
    wire::File* out = wire->add_files();
    out->set_name(file.name);
    out->set_path(file.path);
    out->set_size(file.size);
    out->set_crc32c(file.crc32c);
  }
  wire->set_current(checkpoint.current);
  wire->set_replay_from(checkpoint.replay_from);
  wire->set_min_log(checkpoint.min_log);
  wire->set_max_sequence(checkpoint.max_sequence);
  ToWire(checkpoint.history, wire->mutable_history());
  wire->set_max_time_us(checkpoint.max_time_us);
  return EncodePayload(checkpoint.manifest, wire);
}

void ToWire(const SlotRange& range, wire::SlotRange* out) {
  out->set_first(range.first);
  out->set_last(range.last);
}

std::string ToWire(const CollectEntry& collect, wire::Header* header) {
  wire::Collect* wire = header->mutable_collect();
  for (const SlotRange& range : collect.slots) ToWire(range, wire->add_slots());
  for (const std::string& name : collect.files) wire->add_files(name);
  for (const MergedLog& merged : collect.merged) {
    wire::MergedLog* out = wire->add_merged();
    ToWire(merged.slots, out->mutable_slots());
    out->set_name(merged.name);
    out->set_size(merged.size);
  }
  return "";
}

std::string ToWire(const CloseEntry&, wire::Header* header) {
  header->mutable_close();
  return "";
}

absl::StatusOr<ClaimEntry> FromWire(const wire::Claim& wire) {
  ClaimEntry claim;
  claim.epoch = wire.epoch();
  claim.owner = wire.owner();
  MOORING_ASSIGN_OR_RETURN(claim.history, HistoryFromWire(wire.history()));
  claim.taken_over_slot = wire.taken_over_slot();
  claim.taken_over_sequence = wire.taken_over_sequence();
  if (wire.has_continues_from()) claim.continues_from = wire.continues_from();
  claim.continues_slot = wire.continues_slot();
  return claim;
}

absl::StatusOr<LogEntry> FromWire(const wire::Log& wire, std::string_view payload) {
  LogEntry log;
  log.predecessor = wire.predecessor();
  log.least_checkpoint = wire.least_checkpoint();
  log.last_slot = wire.last_slot();
  for (const wire::Segment& segment : wire.segments()) {
    log.segments.push_back({segment.incarnation(), segment.epoch(), segment.log(),
                            segment.generation(), segment.begin(), segment.end(),
                            segment.first_sequence(), segment.last_sequence(),
                            segment.first_time_us(), segment.last_time_us()});
  }
  MOORING_ASSIGN_OR_RETURN(log.bytes, DecodePayload(wire, payload));
  return log;
}

absl::StatusOr<CheckpointEntry> FromWire(const wire::Checkpoint& wire, std::string_view payload) {
  CheckpointEntry checkpoint;
  for (const wire::File& file : wire.files()) {
    checkpoint.files.push_back({file.name(), file.path(), file.size(), file.crc32c()});
  }
  checkpoint.current = wire.current();
  checkpoint.replay_from = wire.replay_from();
  checkpoint.min_log = wire.min_log();
  checkpoint.max_sequence = wire.max_sequence();
  MOORING_ASSIGN_OR_RETURN(checkpoint.history, HistoryFromWire(wire.history()));
  checkpoint.max_time_us = wire.max_time_us();
  MOORING_ASSIGN_OR_RETURN(checkpoint.manifest, DecodePayload(wire, payload));
  return checkpoint;
}

CollectEntry FromWire(const wire::Collect& wire) {
  CollectEntry collect;
  for (const wire::SlotRange& range : wire.slots()) {
    collect.slots.push_back({range.first(), range.last()});
  }
  collect.files.assign(wire.files().begin(), wire.files().end());
  for (const wire::MergedLog& merged : wire.merged()) {
    collect.merged.push_back(
        {{merged.slots().first(), merged.slots().last()}, merged.name(), merged.size()});
  }
  return collect;
}

absl::Status NoPayload(std::string_view payload) {
  if (payload.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("a payload of ", payload.size(), " bytes where there is none"));
}

absl::Status ReadBody(const wire::Header& wire, std::string_view payload, Entry* entry) {
  switch (wire.kind_case()) {
    case wire::Header::kClaim: {
      MOORING_ASSIGN_OR_RETURN(entry->body, FromWire(wire.claim()));
      return NoPayload(payload);
    }
    case wire::Header::kLog: {
      MOORING_ASSIGN_OR_RETURN(entry->body, FromWire(wire.log(), payload));
      return absl::OkStatus();
    }
    case wire::Header::kCheckpoint: {
      MOORING_ASSIGN_OR_RETURN(entry->body, FromWire(wire.checkpoint(), payload));
      return absl::OkStatus();
    }
    case wire::Header::kCollect:
      entry->body = FromWire(wire.collect());
      return NoPayload(payload);
    case wire::Header::kClose:
      entry->body = CloseEntry();
      return NoPayload(payload);
    case wire::Header::KIND_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("it is of no kind that this format has");
}

absl::StatusOr<Entry> FromWire(const wire::Header& wire, uint64_t slot, std::string_view payload) {
  Entry entry;
  entry.nonce = wire.nonce();
  entry.archive_id = wire.archive_id();
  entry.slot = wire.slot();
  entry.writer = wire.writer();
  entry.time_us = wire.time_us();
  MOORING_RETURN_IF_ERROR(ReadBody(wire, payload, &entry));
  MOORING_RETURN_IF_ERROR(CheckEntry(entry));
  if (entry.slot != slot) {
    return absl::InvalidArgumentError(absl::StrCat("it was written for slot ", entry.slot));
  }
  return entry;
}

absl::Status CheckHeaderBytes(const std::string& header) {
  if (header.size() <= kMaxHeaderBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("an entry's header of ", header.size(),
                                                 " bytes is larger than ", kMaxHeaderBytes));
}

}  // namespace

std::string_view KindOf(const Entry& entry) {
  constexpr std::string_view kKinds[] = {"CLAIM", "LOG", "CHECKPOINT", "COLLECT", "CLOSE"};
  return kKinds[entry.body.index()];
}

absl::StatusOr<std::string> EncodeEntry(const Entry& entry) {
  MOORING_RETURN_IF_ERROR(CheckEntry(entry));
  wire::Header header;
  header.set_nonce(entry.nonce);
  header.set_archive_id(entry.archive_id);
  header.set_slot(entry.slot);
  header.set_writer(entry.writer);
  header.set_time_us(entry.time_us);
  const std::string payload =
      std::visit([&](const auto& body) { return ToWire(body, &header); }, entry.body);
  const std::string header_bytes = header.SerializeAsString();
  MOORING_RETURN_IF_ERROR(CheckHeaderBytes(header_bytes));
  return EncodeFrame(kEntryMagic, header_bytes, payload);
}

absl::StatusOr<Entry> DecodeEntry(std::string_view name, uint64_t slot, std::string_view object) {
  MOORING_ASSIGN_OR_RETURN(const Frame frame, DecodeFrame(name, kEntryMagic, object));
  wire::Header header;
  if (!header.ParseFromArray(frame.header.data(), static_cast<int>(frame.header.size()))) {
    return DamagedObject(name, "its header cannot be parsed");
  }
  absl::StatusOr<Entry> entry = FromWire(header, slot, frame.payload);
  if (!entry.ok()) return DamagedObject(name, ToStd(entry.status().message()));
  return entry;
}

absl::StatusOr<std::string> EncodeIdentity(const ArchiveIdentity& identity) {
  if (!IsId(identity.archive_id) || !IsId(identity.store_id)) {
    return absl::InvalidArgumentError(absl::StrCat("archive id '", identity.archive_id,
                                                   "' and store id '", identity.store_id,
                                                   "' must be 32 hexadecimal digits each"));
  }
  wire::Identity wire;
  wire.set_archive_id(identity.archive_id);
  wire.set_store_id(identity.store_id);
  return EncodeFrame(kIdentityMagic, wire.SerializeAsString(), "");
}

absl::StatusOr<ArchiveIdentity> DecodeIdentity(std::string_view name, std::string_view object) {
  MOORING_ASSIGN_OR_RETURN(const Frame frame, DecodeFrame(name, kIdentityMagic, object));
  wire::Identity wire;
  if (!wire.ParseFromArray(frame.header.data(), static_cast<int>(frame.header.size())) ||
      !frame.payload.empty() || !IsId(wire.archive_id()) || !IsId(wire.store_id())) {
    return DamagedObject(name, "it does not hold two ids");
  }
  return ArchiveIdentity{wire.archive_id(), wire.store_id()};
}

std::string SlotKey(uint64_t slot) {
  return absl::StrCat(ToAbsl(kJournalPrefix), absl::StrFormat("%020d", slot));
}

absl::StatusOr<uint64_t> ParseSlotKey(std::string_view key) {
  uint64_t slot = 0;
  const bool sized = key.size() == kJournalPrefix.size() + kSlotDigits;
  if (!sized || !absl::SimpleAtoi(ToAbsl(key.substr(kJournalPrefix.size())), &slot) || slot == 0 ||
      SlotKey(slot) != key) {
    return absl::InvalidArgumentError(
        absl::StrCat("object ", ToAbsl(key), " is not an entry of the journal"));
  }
  return slot;
}

std::string FileKey(std::string_view name) { return absl::StrCat("files/", ToAbsl(name)); }
std::string MergedKey(std::string_view name) { return absl::StrCat("merged/", ToAbsl(name)); }

}  // namespace mooring::archive
