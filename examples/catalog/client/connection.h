#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace httplib {
class Client;
}  // namespace httplib

namespace catalog {

// One kept-alive HTTP connection to the catalog. Not thread-safe.
class Connection {
 public:
  struct Answer {
    int code = 0;  // 0: there was no answer; what was asked may have happened or not.
    std::string body;
  };

  // Waits for each answer up to `timeout`.
  Connection(const std::string& host, int port, absl::Duration timeout);
  ~Connection();

  Answer Put(std::string_view key, std::string_view value, bool archived = false);
  Answer Get(std::string_view key);
  Answer GetPath(const std::string& path);
  Answer DeletePath(const std::string& path);

 private:
  const std::unique_ptr<httplib::Client> client_;
};

}  // namespace catalog
