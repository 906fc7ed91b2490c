#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "src/objectstore/object_store.h"
#include "src/objectstore/url.h"

namespace mooring::objectstore {

// The store at `url`, see url.h. Looks at a directory; asks nothing of a server.
//
// INVALID_ARGUMENT     the url cannot be understood.
// FAILED_PRECONDITION  it is an s3 url, and the component for that is not there or not enabled.
absl::StatusOr<std::unique_ptr<ObjectStore>> OpenObjectStore(std::string_view url);

using StoreFactory = std::function<absl::StatusOr<std::unique_ptr<ObjectStore>>(const Url&)>;

// Makes OpenObjectStore() use `factory` for urls of `scheme`, in place of what was registered
// before. So the library proper links no network client. Thread-safe.
void RegisterScheme(std::string_view scheme, StoreFactory factory);

}  // namespace mooring::objectstore
