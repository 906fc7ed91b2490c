#pragma once

#include "absl/status/status.h"

namespace mooring::cli {

// What the command ends with, the same for every subcommand. `mooring --help` prints kExitCodes.
enum ExitCode {
  kDone = 0,
  kNotFound = 1,
  kUsage = 2,
  kDamaged = 3,
  kRefused = 4,
  kNotNow = 5,
  kNoRoom = 6,
  kDenied = 7,
  kCancelled = 8,
  kInternal = 70,
};

inline constexpr char kExitCodes[] =
    "Exit codes:\n"
    "  0   done, and nothing is wrong\n"
    "  1   what was asked for is not there: a key, a table, a volume, a version\n"
    "  2   the command line is wrong\n"
    "  3   something is damaged or lost; the message says what, and `mooring doctor` what to do\n"
    "  4   refused: a living owner, an unfit mount, another store, something is there already\n"
    "  5   not now: the volume or the archive does not answer; try again\n"
    "  6   no room left on the volume or in the archive\n"
    "  7   denied: permissions or credentials\n"
    "  8   cancelled\n"
    "  70  a fault of this program\n";

inline ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kDone;
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kOutOfRange:
      return kNotFound;
    case absl::StatusCode::kInvalidArgument:
      return kUsage;
    case absl::StatusCode::kDataLoss:
      return kDamaged;
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kUnimplemented:
      return kRefused;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kAborted:
      return kNotNow;
    case absl::StatusCode::kResourceExhausted:
      return kNoRoom;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return kDenied;
    case absl::StatusCode::kCancelled:
      return kCancelled;
    default:
      return kInternal;
  }
}

}  // namespace mooring::cli
