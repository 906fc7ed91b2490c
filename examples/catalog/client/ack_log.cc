#include "examples/catalog/client/ack_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>

namespace catalog {
namespace {

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

// Leaves the key of the line in `key`. False: the line is no entry.
bool ParseLine(const std::string& line, std::string* key, Ack* ack) {
  char durability[8] = "";
  int key_begin = 0;
  const int found =
      std::sscanf(line.c_str(), "%16" SCNx64 " %" SCNu64 ".%" SCNu64 " %7s %" SCNd64 " %n",
                  &ack->hash, &ack->epoch, &ack->sequence, durability, &ack->time_ms, &key_begin);
  if (found != 5 || key_begin == 0) return false;
  ack->archived = std::strcmp(durability, "archive") == 0;
  if (!ack->archived && std::strcmp(durability, "volume") != 0) return false;
  *key = line.substr(static_cast<size_t>(key_begin));
  return !key->empty();
}

std::string ToLine(std::string_view key, const Ack& ack) {
  char text[120];
  const int size = std::snprintf(
      text, sizeof text, "%016" PRIx64 " %" PRIu64 ".%" PRIu64 " %s %" PRId64 " ", ack.hash,
      ack.epoch, ack.sequence, ack.archived ? "archive" : "volume", ack.time_ms);
  return std::string(text, static_cast<size_t>(size)).append(key).append("\n");
}

}  // namespace

std::optional<Ack> ParseVersion(const std::string& answer) {
  Ack ack;
  int end = 0;
  std::sscanf(answer.c_str(), "{\"version\":\"%" SCNu64 ".%" SCNu64 "\"}%n", &ack.epoch,
              &ack.sequence, &end);
  if (end == 0) return std::nullopt;
  return ack;
}

absl::StatusOr<AckLog::Entries> AckLog::Read(const std::string& path) {
  const std::string text = ReadAll(path);
  Entries entries;
  size_t begin = 0;
  for (size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const std::string line = text.substr(begin, end - begin);
    std::string key;
    Ack ack;
    if (!ParseLine(line, &key, &ack)) {
      return absl::DataLossError(path + " holds a line that is no acknowledgement: " + line);
    }
    entries[key] = ack;
  }
  return entries;
}

absl::Status AckLog::Remove(const std::string& path, const std::unordered_set<std::string>& keys) {
  const absl::StatusOr<Entries> entries = Read(path);
  if (!entries.ok()) return entries.status();
  const std::string partial = path + ".partial";
  std::ofstream out(partial, std::ios::binary);
  for (const auto& [key, ack] : *entries) {
    if (keys.count(key) == 0) out << ToLine(key, ack);
  }
  out.close();
  if (out && std::rename(partial.c_str(), path.c_str()) == 0) return absl::OkStatus();
  return absl::UnavailableError("cannot write " + path + ": " + std::strerror(errno));
}

AckLog::AckLog(const std::string& path) {
  const std::string text = ReadAll(path);
  const size_t whole = text.rfind('\n') + 1;  // 0 where there is no line.
  fd_ = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd_ < 0 || ftruncate(fd_, static_cast<off_t>(whole)) != 0) {
    status_ = absl::UnavailableError("cannot write " + path + ": " + std::strerror(errno));
  }
}

AckLog::~AckLog() {
  if (fd_ >= 0) close(fd_);
}

bool AckLog::Append(std::string_view key, const Ack& ack) {
  const std::string line = ToLine(key, ack);
  std::lock_guard<std::mutex> lock(mutex_);
  return write(fd_, line.data(), line.size()) == static_cast<ssize_t>(line.size());
}

}  // namespace catalog
