#include "examples/catalog/client/ack_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

namespace catalog {
namespace {

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

}  // namespace

absl::StatusOr<AckLog::Entries> AckLog::Read(const std::string& path) {
  const std::string text = ReadAll(path);
  Entries entries;
  size_t begin = 0;
  for (size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const std::string line = text.substr(begin, end - begin);
    const size_t space = line.rfind(' ');
    if (space == std::string::npos) {
      return absl::DataLossError(path + " holds a line that is no acknowledgement: " + line);
    }
    entries[line.substr(0, space)] = std::strtoull(line.c_str() + space + 1, nullptr, 16);
  }
  return entries;
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

bool AckLog::Append(std::string_view key, uint64_t hash) {
  char text[20];
  const int size = std::snprintf(text, sizeof text, " %016" PRIx64 "\n", hash);
  std::string line(key);
  line.append(text, static_cast<size_t>(size));
  std::lock_guard<std::mutex> lock(mutex_);
  return write(fd_, line.data(), line.size()) == static_cast<ssize_t>(line.size());
}

}  // namespace catalog
