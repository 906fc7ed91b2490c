#include "src/archive/entry_check.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"
#include "src/objectstore/object_store.h"

namespace mooring::archive {
namespace {

absl::Status Bad(std::string_view what) { return absl::InvalidArgumentError(ToAbsl(what)); }

absl::Status CheckId(std::string_view what, std::string_view id) {
  if (IsId(id)) return absl::OkStatus();
  return Bad(absl::StrCat(ToAbsl(what), " '", ToAbsl(id), "' is not 32 hexadecimal digits"));
}

absl::Status CheckBody(const Entry& entry, const ClaimEntry& claim) {
  if (claim.epoch == 0) return Bad("a claim of epoch 0");
  if (claim.taken_over_slot + 1 != entry.slot) {
    return Bad(absl::StrCat("a claim of what ends at slot ", claim.taken_over_slot,
                            " does not belong in slot ", entry.slot));
  }
  if (claim.continues_from && *claim.continues_from > claim.taken_over_sequence) {
    return Bad(absl::StrCat("it continues from sequence ", *claim.continues_from,
                            ", beyond what was there, ", claim.taken_over_sequence));
  }
  if (claim.continues_from.has_value() != (claim.continues_slot != 0) ||
      claim.continues_slot > claim.taken_over_slot) {
    return Bad(absl::StrCat("it continues from slot ", claim.continues_slot, " of ",
                            claim.taken_over_slot));
  }
  return absl::OkStatus();
}

absl::Status CheckSegment(const Segment& segment, uint64_t predecessor) {
  MOORING_RETURN_IF_ERROR(CheckId("a segment's incarnation", segment.incarnation));
  if (segment.begin >= segment.end) {
    return Bad(absl::StrCat("a segment from byte ", segment.begin, " to ", segment.end));
  }
  if (segment.first_sequence != predecessor + 1) {
    return Bad(absl::StrCat("a segment begins at sequence ", segment.first_sequence, ", not after ",
                            predecessor));
  }
  if (segment.last_sequence < segment.first_sequence) {
    return Bad(absl::StrCat("a segment from sequence ", segment.first_sequence, " to ",
                            segment.last_sequence));
  }
  if (segment.last_time_us < segment.first_time_us) {
    return Bad(absl::StrCat("a segment's commit times go back from ", segment.first_time_us, " to ",
                            segment.last_time_us));
  }
  return absl::OkStatus();
}

absl::Status CheckBody(const Entry& entry, const LogEntry& log) {
  if (log.segments.empty()) return Bad("a log entry without a segment");
  if (log.least_checkpoint >= entry.slot) {
    return Bad(absl::StrCat("a log in slot ", entry.slot, " needs the checkpoint in slot ",
                            log.least_checkpoint));
  }
  if (log.last_slot != 0 && log.last_slot < entry.slot) {
    return Bad(absl::StrCat("a merged log of slots ", entry.slot, " to ", log.last_slot));
  }
  uint64_t predecessor = log.predecessor;
  uint64_t bytes = 0;
  const Segment* before = nullptr;
  for (const Segment& segment : log.segments) {
    MOORING_RETURN_IF_ERROR(CheckSegment(segment, predecessor));
    const bool continues = before != nullptr && segment.log == before->log &&
                           segment.generation == before->generation && segment.begin == before->end;
    if (before != nullptr && !continues && (segment.log <= before->log || segment.begin != 0)) {
      return Bad(absl::StrCat("log ", segment.log, " from byte ", segment.begin,
                              " does not follow log ", before->log, " up to ", before->end));
    }
    predecessor = segment.last_sequence;
    // Sizes are bounded one by one, so that their sum cannot wrap.
    if (segment.end - segment.begin > kMaxPayloadBytes) bytes = kMaxPayloadBytes + 1;
    if (bytes <= kMaxPayloadBytes) bytes += segment.end - segment.begin;
    before = &segment;
  }
  if (bytes != log.bytes.size()) {
    return Bad(absl::StrCat("segments of ", bytes, " bytes with ", log.bytes.size(), " bytes"));
  }
  return absl::OkStatus();
}

absl::Status CheckName(const std::string& name) {
  if (objectstore::IsKeySegment(name)) return absl::OkStatus();
  return Bad(absl::StrCat("'", name, "' cannot be the name of a file"));
}

absl::Status CheckFile(const ArchivedFile& file, std::set<std::string>* paths) {
  for (const std::string& name : {file.name, file.path}) {
    MOORING_RETURN_IF_ERROR(CheckName(name));
  }
  if (!paths->insert(file.path).second)
    return Bad(absl::StrCat("file ", file.path, " comes twice"));
  return absl::OkStatus();
}

absl::Status CheckBody(const Entry& entry, const CheckpointEntry& checkpoint) {
  std::set<std::string> paths;
  for (const ArchivedFile& file : checkpoint.files) {
    MOORING_RETURN_IF_ERROR(CheckFile(file, &paths));
  }
  const std::string& current = checkpoint.current;
  if (current.empty() || current.back() != '\n') return Bad("CURRENT is cut short");
  const std::string manifest = current.substr(0, current.size() - 1);
  if (checkpoint.manifest.empty() == (paths.count(manifest) == 0)) {
    return Bad(absl::StrCat("CURRENT names '", manifest, "', which is ",
                            checkpoint.manifest.empty() ? "missing" : "there twice"));
  }
  if (checkpoint.replay_from == 0 || checkpoint.replay_from > entry.slot) {
    return Bad(absl::StrCat("a checkpoint in slot ", entry.slot, " needs log entries from slot ",
                            checkpoint.replay_from));
  }
  const auto& history = checkpoint.history.entries();
  if (history.empty() != (checkpoint.max_sequence == 0) ||
      (!history.empty() && history.back().first_sequence > checkpoint.max_sequence)) {
    return Bad(absl::StrCat("its history does not end at sequence ", checkpoint.max_sequence));
  }
  return absl::OkStatus();
}

absl::Status CheckRange(const Entry& entry, const SlotRange& range, uint64_t* after) {
  if (range.first <= *after || range.last < range.first || range.last >= entry.slot) {
    return Bad(absl::StrCat("slots ", range.first, " to ", range.last,
                            " are not ascending ones below ", entry.slot));
  }
  *after = range.last;
  return absl::OkStatus();
}

absl::Status CheckBody(const Entry& entry, const CollectEntry& collect) {
  uint64_t after = 0;
  for (const SlotRange& range : collect.slots) {
    MOORING_RETURN_IF_ERROR(CheckRange(entry, range, &after));
  }
  for (const std::string& name : collect.files) MOORING_RETURN_IF_ERROR(CheckName(name));
  after = 0;
  for (const MergedLog& merged : collect.merged) {
    MOORING_RETURN_IF_ERROR(CheckRange(entry, merged.slots, &after));
    MOORING_RETURN_IF_ERROR(CheckName(merged.name));
  }
  return absl::OkStatus();
}

absl::Status CheckBody(const Entry&, const CloseEntry&) { return absl::OkStatus(); }

}  // namespace

absl::Status CheckEntry(const Entry& entry) {
  MOORING_RETURN_IF_ERROR(CheckId("the nonce", entry.nonce));
  MOORING_RETURN_IF_ERROR(CheckId("the archive id", entry.archive_id));
  MOORING_RETURN_IF_ERROR(CheckId("the writer", entry.writer));
  if (entry.slot == 0) return Bad("slot 0, which is none");
  return std::visit([&](const auto& body) { return CheckBody(entry, body); }, entry.body);
}

}  // namespace mooring::archive
