#include "examples/catalog/catalog_service.h"

#include <charconv>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "examples/catalog/archive_text.h"
#include "examples/catalog/batch_text.h"
#include "examples/catalog/percent.h"

namespace catalog {
namespace {

constexpr char kText[] = "text/plain";
constexpr char kBytes[] = "application/octet-stream";
constexpr std::string_view kItemsPath = "/items/";
constexpr uint64_t kDefaultPage = 1000;
constexpr uint64_t kMaxPage = 10000;

// A write that a stalled volume or archive keeps waiting is answered with 504 after this long.
constexpr absl::Duration kWriteTimeout = absl::Seconds(30);

absl::StatusOr<mooring::CommitOptions> WriteOptions(const httplib::Request& request) {
  mooring::CommitOptions options;
  options.timeout = kWriteTimeout;
  const std::string durability =
      request.has_param("durability") ? request.get_param_value("durability") : "volume";
  if (durability == "volume") return options;
  if (durability == "archive") {
    options.durability = mooring::Durability::kArchive;
  } else if (durability == "process") {
    options.durability = mooring::Durability::kProcess;
  } else {
    return absl::InvalidArgumentError("durability is not process, volume or archive");
  }
  return options;
}

bool Fenced(const mooring::Health& health) {
  return health.state == mooring::Health::State::kReadOnly && mooring::IsFenced(health.reason);
}

int HttpCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
      return 400;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    case absl::StatusCode::kResourceExhausted:
      return 507;
    default:
      return 500;
  }
}

void AnswerError(const absl::Status& status, httplib::Response* response) {
  response->status = HttpCode(status.code());
  const std::string text = status.ToString(absl::StatusToStringMode::kWithNoExtraData);
  response->set_content((mooring::IsFenced(status) ? "fenced: " : "") + text + "\n", kText);
}

void AnswerVersion(const absl::StatusOr<mooring::Version>& version, httplib::Response* response) {
  if (!version.ok()) return AnswerError(version.status(), response);
  response->set_content("{\"version\":\"" + version->ToString() + "\"}\n", "application/json");
}

// Reads a whole body, as it must be for the connection to stay usable, whatever is then answered.
bool ReadBody(const httplib::ContentReader& reader, std::string* body) {
  return reader([body](const char* data, size_t size) {
    body->append(data, size);
    return true;
  });
}

// The key in the request's path, decoded here since the server's own decoding lets errors pass.
std::optional<std::string> KeyOf(const httplib::Request& request, httplib::Response* response) {
  std::string_view path = request.target;
  path = path.substr(0, path.find_first_of("?#"));
  if (path.substr(0, kItemsPath.size()) == kItemsPath) {
    std::optional<std::string> key = PercentDecode(path.substr(kItemsPath.size()));
    if (key && !key->empty()) return key;
  }
  AnswerError(absl::InvalidArgumentError("the path is not /items/<percent-encoded key>"), response);
  return std::nullopt;
}

std::optional<uint64_t> LimitOf(const httplib::Request& request) {
  if (!request.has_param("limit")) return kDefaultPage;
  const std::string text = request.get_param_value("limit");
  uint64_t limit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (limit < 1 || limit > kMaxPage) return std::nullopt;
  return limit;
}

}  // namespace

void CatalogService::Register(httplib::Server* server) {
  using httplib::ContentReader;
  using httplib::Request;
  using httplib::Response;
  const std::string item = R"(/items/[\s\S]*)";
  server->Put(item, [this](const Request& request, Response& response,
                           const ContentReader& reader) { HandlePut(request, &response, reader); });
  server->Get(
      item, [this](const Request& request, Response& response) { HandleGet(request, &response); });
  server->Delete(item, [this](const Request& request, Response& response) {
    HandleDelete(request, &response);
  });
  server->Delete("/items", [this](const Request&, Response& response) { HandleDrop(&response); });
  server->Get("/items", [this](const Request& request, Response& response) {
    HandleList(request, &response);
  });
  server->Post("/batch",
               [this](const Request& request, Response& response, const ContentReader& reader) {
                 HandleBatch(request, &response, reader);
               });
  server->Get("/status", [this](const Request&, Response& response) { HandleStatus(&response); });
  server->Get("/healthz", [this](const Request&, Response& response) { HandleHealth(&response); });
  server->Get("/readyz", [this](const Request&, Response& response) { HandleReady(&response); });
}

void CatalogService::Start(std::shared_ptr<mooring::Store> store, mooring::Table items) {
  std::lock_guard<std::mutex> lock(mutex_);
  state_ = State{std::move(store), std::move(items)};
}

void CatalogService::Stop() {
  std::lock_guard<std::mutex> lock(mutex_);
  state_.reset();
}

void CatalogService::SetProgress(const mooring::Progress& progress) {
  std::lock_guard<std::mutex> lock(mutex_);
  progress_ = progress;
}

std::optional<CatalogService::State> CatalogService::Present() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return state_;
}

std::optional<CatalogService::State> CatalogService::Started(httplib::Response* response) const {
  const mooring::Health health = health_->Get();
  if (Fenced(health)) {
    AnswerError(health.reason, response);
    return std::nullopt;
  }
  std::optional<State> state = Present();
  if (!state) AnswerNotServing(health, response);
  return state;
}

void CatalogService::AnswerNotServing(const mooring::Health& health,
                                      httplib::Response* response) const {
  response->status = 503;
  response->set_header("Retry-After", "1");
  response->set_content("not serving: " + Describe(health) + "\n", kText);
}

void CatalogService::HandlePut(const httplib::Request& request, httplib::Response* response,
                               const httplib::ContentReader& reader) {
  std::string value;
  if (!ReadBody(reader, &value)) return;  // The server has set 400 or 413.
  std::optional<State> state = Started(response);
  if (!state) return;
  const std::optional<std::string> key = KeyOf(request, response);
  if (!key) return;
  const absl::StatusOr<mooring::CommitOptions> options = WriteOptions(request);
  if (!options.ok()) return AnswerError(options.status(), response);
  AnswerVersion(state->items.Put(*key, value, *options), response);
}

void CatalogService::HandleGet(const httplib::Request& request, httplib::Response* response) {
  const std::optional<State> state = Started(response);
  if (!state) return;
  const std::optional<std::string> key = KeyOf(request, response);
  if (!key) return;
  mooring::Value value;
  if (const absl::Status status = state->items.Get(*key, &value); !status.ok()) {
    return AnswerError(status, response);
  }
  response->set_content(value.view().data(), value.view().size(), kBytes);
}

void CatalogService::HandleDelete(const httplib::Request& request, httplib::Response* response) {
  std::optional<State> state = Started(response);
  if (!state) return;
  const std::optional<std::string> key = KeyOf(request, response);
  if (!key) return;
  const absl::StatusOr<mooring::CommitOptions> options = WriteOptions(request);
  if (!options.ok()) return AnswerError(options.status(), response);
  AnswerVersion(state->items.Delete(*key, *options), response);
}

// Writes under way to the dropped table are refused.
void CatalogService::HandleDrop(httplib::Response* response) {
  const std::optional<State> state = Started(response);
  if (!state) return;
  if (const absl::Status dropped = state->store->DropTable(kTable); !dropped.ok()) {
    return AnswerError(dropped, response);
  }
  const mooring::Version version = state->store->version();
  absl::StatusOr<mooring::Table> items = state->store->OpenTable(kTable);
  if (!items.ok()) return AnswerError(items.status(), response);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (state_) state_->items = *std::move(items);
  }
  AnswerVersion(version, response);
}

void CatalogService::HandleList(const httplib::Request& request, httplib::Response* response) {
  const std::optional<State> state = Started(response);
  if (!state) return;
  const std::optional<uint64_t> limit = LimitOf(request);
  if (!limit) {
    return AnswerError(absl::InvalidArgumentError("limit is not a number from 1 to 10000"),
                       response);
  }
  mooring::ScanOptions options;
  options.prefix = request.get_param_value("prefix");
  options.limit = *limit;
  // The least key above `after` is `after` with a zero byte behind it.
  if (request.has_param("after")) options.begin = request.get_param_value("after") + '\0';

  std::string page;
  mooring::Iterator it = state->items.Scan(options);
  for (; it.Valid(); it.Next()) page += PercentEncode(it.key()) + '\n';
  if (const absl::Status status = it.status(); !status.ok()) return AnswerError(status, response);
  response->set_content(page, kText);
}

void CatalogService::HandleBatch(const httplib::Request& request, httplib::Response* response,
                                 const httplib::ContentReader& reader) {
  std::string body;
  if (!ReadBody(reader, &body)) return;
  const std::optional<State> state = Started(response);
  if (!state) return;
  const absl::StatusOr<mooring::WriteBatch> batch = ParseBatch(state->items, body);
  if (!batch.ok()) return AnswerError(batch.status(), response);
  const absl::StatusOr<mooring::CommitOptions> options = WriteOptions(request);
  if (!options.ok()) return AnswerError(options.status(), response);
  AnswerVersion(state->store->Commit(*batch, *options), response);
}

// A fenced store tells its status, too.
void CatalogService::HandleStatus(httplib::Response* response) const {
  const std::optional<State> state = Present();
  if (!state) return AnswerNotServing(health_->Get(), response);
  response->set_content(ToJson(state->store->archive_status()) + "\n", "application/json");
}

void CatalogService::HandleHealth(httplib::Response* response) const {
  const mooring::Health health = health_->Get();
  // A store that is read-only after a failed sync heals when it is reopened, so a restart helps. A
  // fenced one would take over again.
  const bool broken = (health.state == mooring::Health::State::kReadOnly && !Fenced(health)) ||
                      (health.state == mooring::Health::State::kClosed && !health.reason.ok());
  response->status = broken ? 503 : 200;
  response->set_content(Describe(health) + "\n", kText);
}

void CatalogService::HandleReady(httplib::Response* response) const {
  if (!Started(response)) return;
  const mooring::Health health = health_->Get();
  const bool ready = health.state == mooring::Health::State::kServing ||
                     health.state == mooring::Health::State::kFull;
  response->status = ready ? 200 : 503;
  response->set_content(Describe(health) + "\n", kText);
}

std::string CatalogService::Describe(const mooring::Health& health) const {
  std::string text = health.ToString();
  if (health.state != mooring::Health::State::kStarting) return text;
  std::lock_guard<std::mutex> lock(mutex_);
  text += ": " + std::string(mooring::PhaseName(progress_.phase));
  if (progress_.total > 0) {
    text +=
        " " + std::to_string(progress_.done) + " of " + std::to_string(progress_.total) + " bytes";
  }
  return text;
}

}  // namespace catalog
