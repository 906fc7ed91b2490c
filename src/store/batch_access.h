#pragma once

#include <cstdint>
#include <string>

#include "mooring/write_batch.h"

namespace mooring::internal {

// The library's way into a WriteBatch.
struct BatchAccess {
  static const std::string& Operations(const WriteBatch& batch) { return batch.encoded_; }
  static uint64_t StoreTag(const WriteBatch& batch) { return batch.store_tag_; }
  static bool MixesStores(const WriteBatch& batch) { return batch.mixed_stores_; }
};

}  // namespace mooring::internal
