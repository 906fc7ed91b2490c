#pragma once

#include <string>

#include "mooring/archive.h"

namespace catalog {

// How far a store is archived, as one line of JSON for monitoring:
//
//   {"state":"shipping","archived":"3.17","lag_ms":12,"lag_bytes":4096,"head":9,
//    "last_checkpoint":5,"checkpoint_bytes":70000,"requests":31,"bytes_sent":81000,"last_error":""}
//
// `state` is none, unreached, first-checkpoint, shipping, fenced or closed. `archived` is the
// version that a restore would give back now, or null.
std::string ToJson(const mooring::ArchiveStatus& status);

}  // namespace catalog
