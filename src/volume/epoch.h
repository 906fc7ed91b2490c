#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mooring::volume {

// The file EPOCH: the number of opens of a store, raised by each, never going back. FORMAT.md has
// its bytes and says why it has two slots.

// Makes or replaces the file at epoch 0, which no open ever has; durable when OK.
[[nodiscard]] absl::Status CreateEpoch(const std::string& path, std::string_view store_id);

// The epoch of the last open that finished raising it.
//
// NOT_FOUND            there is no such file.
// FAILED_PRECONDITION  a newer format; the message has both numbers.
// DATA_LOSS            both slots are damaged, or the size is wrong; the message has the offset.
absl::StatusOr<uint64_t> ReadEpoch(const std::string& path);

// Of every slot. DATA_LOSS where any is damaged; the message has its offset, and the next open
// repairs it where the other one is whole. Else as ReadEpoch().
[[nodiscard]] absl::Status CheckEpoch(const std::string& path);

// Raises the epoch of `store_id` above every one that was ever returned, and returns it, durable.
// Overwrites in place: needs no space on the volume. The caller is the volume's owner.
//
// DATA_LOSS  as above, or the file is missing or belongs to another store.
absl::StatusOr<uint64_t> RaiseEpoch(const std::string& path, std::string_view store_id);

// The same, but above `floor` too, and without a change where it is that already. For a state that
// was on another volume before.
absl::StatusOr<uint64_t> RaiseEpochAbove(const std::string& path, std::string_view store_id,
                                         uint64_t floor);

}  // namespace mooring::volume
