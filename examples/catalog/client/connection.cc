#include "examples/catalog/client/connection.h"

#include <httplib.h>

#include <utility>

#include "examples/catalog/percent.h"

namespace catalog {
namespace {

// Asks again once where there was no answer: a connection that idled too long is closed by the
// service, perhaps just when it is used again, and all that is asked here may happen twice.
template <typename Ask>
Connection::Answer AnswerOf(Ask ask) {
  httplib::Result result = ask();
  if (!result) result = ask();
  if (!result) return {};
  return {result->status, std::move(result->body)};
}

std::string ItemPath(std::string_view key) { return "/items/" + PercentEncode(key); }

}  // namespace

Connection::Connection(const std::string& host, int port, absl::Duration timeout)
    : client_(std::make_unique<httplib::Client>(host, port)) {
  client_->set_keep_alive(true);
  client_->set_tcp_nodelay(true);
  client_->set_url_encode(false);  // Keys are encoded already.
  client_->set_connection_timeout(absl::ToChronoSeconds(timeout));
  client_->set_read_timeout(absl::ToChronoSeconds(timeout));
  client_->set_write_timeout(absl::ToChronoSeconds(timeout));
}

Connection::~Connection() = default;

Connection::Answer Connection::Put(std::string_view key, std::string_view value, bool archived) {
  const std::string path = ItemPath(key) + (archived ? "?durability=archive" : "");
  return AnswerOf(
      [&] { return client_->Put(path, value.data(), value.size(), "application/octet-stream"); });
}

Connection::Answer Connection::Get(std::string_view key) { return GetPath(ItemPath(key)); }

Connection::Answer Connection::GetPath(const std::string& path) {
  return AnswerOf([&] { return client_->Get(path); });
}

Connection::Answer Connection::DeletePath(const std::string& path) {
  return AnswerOf([&] { return client_->Delete(path); });
}

}  // namespace catalog
