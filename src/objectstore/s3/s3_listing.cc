// What S3Store lists, page by page: its objects, and uploads that nobody finished.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mooring/status_macros.h"
#include "src/base/status.h"
#include "src/objectstore/s3/s3_store.h"
#include "src/objectstore/s3/xml.h"

namespace mooring::objectstore {
namespace {

constexpr int kMaxListedAtOnce = 1000;
constexpr int64_t kMaxListingBytes = int64_t{4} << 20;

bool StartsWith(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

}  // namespace

absl::StatusOr<std::vector<ObjectInfo>> S3Store::List(std::string_view prefix,
                                                      std::string_view after, int limit,
                                                      const RequestOptions& options) {
  const Deadline deadline(options.timeout);
  const std::string& root = client_.location().prefix;
  std::vector<ObjectInfo> found;
  std::string last = after.empty() ? "" : absl::StrCat(root, ToAbsl(after));
  std::string token;
  for (bool more = limit > 0; more;) {
    S3Request request = Request("GET", "");
    request.key.clear();
    request.query = {
        {"list-type", "2"},
        {"encoding-type", "url"},
        {"prefix", absl::StrCat(root, ToAbsl(prefix))},
        {"max-keys", absl::StrCat(std::min<int>(kMaxListedAtOnce, limit - found.size()))}};
    if (!last.empty()) request.query["start-after"] = last;
    if (!token.empty()) request.query["continuation-token"] = token;
    request.max_response_bytes = kMaxListingBytes;
    MOORING_ASSIGN_OR_RETURN(const HttpResponse response, client_.Send(request, deadline));
    MOORING_ASSIGN_OR_RETURN(ListedPage page, ParseListing(response.body));
    // A page may be empty and yet not the last one: what it would show was deleted meanwhile.
    if (page.truncated && page.objects.empty() && (page.next.empty() || page.next == token)) {
      return absl::UnavailableError(
          absl::StrCat(name_, " does not go on with a list that it says is not at its end."));
    }
    for (ObjectInfo& object : page.objects) {
      if (!StartsWith(object.key, root) || object.key <= last) {
        return absl::FailedPreconditionError(
            absl::StrCat(name_, " lists ", object.key, ", which was not asked for (start-after)."));
      }
      last = object.key;
      object.key.erase(0, root.size());
      // Others' objects, such as the markers that some tools make for directories.
      if (ValidateKey(object.key).ok()) found.push_back(std::move(object));
    }
    token = std::move(page.next);
    more = page.truncated && static_cast<int>(found.size()) < limit;
  }
  return found;
}

absl::StatusOr<int64_t> S3Store::RemoveAbandoned(std::string_view prefix, absl::Duration min_age,
                                                 const RequestOptions& options) {
  const Deadline deadline(options.timeout);
  const std::string& root = client_.location().prefix;
  int64_t removed = 0;
  UploadsPage page;
  do {
    S3Request request = Request("GET", "");
    request.key.clear();
    request.query = {{"uploads", ""},
                     {"encoding-type", "url"},
                     {"prefix", absl::StrCat(root, ToAbsl(prefix))},
                     {"max-uploads", absl::StrCat(kMaxListedAtOnce)}};
    const std::pair<std::string, std::string> marker(page.next_key, page.next_id);
    if (!marker.first.empty()) request.query["key-marker"] = marker.first;
    if (!marker.second.empty()) request.query["upload-id-marker"] = marker.second;
    request.max_response_bytes = kMaxListingBytes;
    MOORING_ASSIGN_OR_RETURN(const HttpResponse response, client_.Send(request, deadline));
    MOORING_ASSIGN_OR_RETURN(page, ParseUploads(response.body));
    MOORING_ASSIGN_OR_RETURN(const absl::Time now, TimeOf(response));
    for (const UploadsPage::Upload& upload : page.uploads) {
      // Others' uploads in the same bucket are left alone.
      if (!StartsWith(upload.key, request.query["prefix"])) continue;
      const std::string key = upload.key.substr(root.size());
      if (!ValidateKey(key).ok() || now - upload.begun <= min_age) continue;
      MOORING_RETURN_IF_ERROR(Abort(key, upload.id, deadline));
      ++removed;
    }
    if (page.truncated && marker == std::make_pair(page.next_key, page.next_id)) {
      return absl::UnavailableError(
          absl::StrCat(name_, " does not go on with a list that it says is not at its end."));
    }
  } while (page.truncated);
  return removed;
}

// What the server says of the time, by which its own dates are judged.
absl::StatusOr<absl::Time> S3Store::TimeOf(const HttpResponse& response) const {
  const auto date = response.headers.find("date");
  absl::Time time;
  if (date != response.headers.end() &&
      absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", date->second, &time, nullptr)) {
    return time;
  }
  return absl::FailedPreconditionError(
      absl::StrCat(name_, " does not say what time it is (header Date)."));
}

}  // namespace mooring::objectstore
