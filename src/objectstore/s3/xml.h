#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/objectstore/object_store.h"

namespace mooring::objectstore {

// The Code of an <Error> document; empty where `body` is none. Only letters and digits, at most 64,
// so that it may stand in a message.
std::string ParseErrorCode(std::string_view body);

struct ListedPage {
  std::vector<ObjectInfo> objects;  // Keys with the store's prefix.
  bool truncated = false;
  std::string next;  // The token of the next page; empty where the server gives none.
};

// A page of the multipart uploads that are neither completed nor aborted.
struct UploadsPage {
  struct Upload {
    std::string key;  // With the store's prefix.
    std::string id;
    absl::Time begun;
  };
  std::vector<Upload> uploads;
  bool truncated = false;
  std::string next_key;
  std::string next_id;
};

// UNAVAILABLE where the document is not whole. Keys may be percent-encoded, where it says so.
absl::StatusOr<ListedPage> ParseListing(std::string_view body);
absl::StatusOr<UploadsPage> ParseUploads(std::string_view body);
absl::StatusOr<std::string> ParseUploadId(std::string_view body);

// Whether `body` says that a multipart upload was completed.
bool IsCompleted(std::string_view body);
// The request that completes one: the parts' ETags in order.
std::string CompleteUploadBody(const std::vector<std::string>& etags);

}  // namespace mooring::objectstore
