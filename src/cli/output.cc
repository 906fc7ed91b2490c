#include "src/cli/output.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "src/base/status.h"

namespace mooring::cli {
namespace {

constexpr absl::Duration kBarInterval = absl::Milliseconds(100);
constexpr absl::Duration kLineInterval = absl::Seconds(5);
constexpr int kBarWidth = 24;

bool LooksLikeNumber(const std::string& text) {
  return !text.empty() && text[0] >= '0' && text[0] <= '9' && text.size() < 16;
}

}  // namespace

void Output::Result(const Json& document, std::string_view text) const {
  const std::string out = json ? Dump(document, 2) + "\n" : std::string(text);
  Write(out).IgnoreError();
}

void Output::Note(std::string_view text) const {
  if (!quiet) std::fprintf(stderr, "%.*s\n", static_cast<int>(text.size()), text.data());
}

void Output::Error(const absl::Status& status) const {
  if (json) {
    const Json document = {{"error",
                            {{"code", absl::StatusCodeToString(status.code())},
                             {"message", std::string(ToStd(status.message()))}}}};
    std::fprintf(stderr, "%s\n", Dump(document, -1).c_str());
    return;
  }
  std::fprintf(stderr, "mooring: %s: %s\n", absl::StatusCodeToString(status.code()).c_str(),
               std::string(status.message()).c_str());
}

absl::Status Output::Write(std::string_view bytes) const {
  if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size()) return absl::OkStatus();
  return ErrnoError("write to", "standard output", errno);
}

bool IsUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const int more = lead < 0x80 ? 0 : lead < 0xc2 ? -1 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    if (more < 0 || lead > 0xf4 || i + static_cast<size_t>(more) >= text.size()) return false;
    uint32_t code = more == 0 ? lead : lead & (0x3fu >> more);
    for (int k = 1; k <= more; ++k) {
      const auto next = static_cast<unsigned char>(text[i + static_cast<size_t>(k)]);
      if ((next & 0xc0) != 0x80) return false;
      code = code << 6 | (next & 0x3fu);
    }
    if ((more == 2 && code < 0x800) || (more == 3 && code < 0x10000) || code > 0x10ffff ||
        (code >= 0xd800 && code <= 0xdfff)) {
      return false;
    }
    i += static_cast<size_t>(more) + 1;
  }
  return true;
}

void PutBytes(Json* object, const std::string& name, std::string_view bytes) {
  if (IsUtf8(bytes)) {
    (*object)[name] = std::string(bytes);
  } else {
    (*object)[name + "_base64"] = absl::Base64Escape(ToAbsl(bytes));
  }
}

std::string Printable(std::string_view bytes) {
  if (!IsUtf8(bytes)) return absl::CHexEscape(ToAbsl(bytes));
  std::string text;
  for (const char c : bytes) {
    const bool plain = static_cast<unsigned char>(c) >= 0x20 && c != 0x7f && c != '\\';
    text += plain ? std::string(1, c) : absl::CHexEscape(std::string(1, c));
  }
  return text;
}

std::string FormatBytes(int64_t bytes) {
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  for (; value >= 1024 && unit < 3; ++unit) value /= 1024;
  return absl::StrFormat("%.1f %s", value, kUnits[unit]);
}

std::string ShowDuration(absl::Duration d) {
  if (d == absl::InfiniteDuration()) return "for ever";
  const double seconds = absl::ToDoubleSeconds(d);
  if (seconds < 1) return absl::StrFormat("%.0f ms", seconds * 1000);
  if (seconds < 60) return absl::StrFormat("%.1f s", seconds);
  const auto whole = static_cast<int64_t>(seconds);
  if (whole < 3600) return absl::StrFormat("%d min %d s", whole / 60, whole % 60);
  if (whole < 48 * 3600) return absl::StrFormat("%d h %d min", whole / 3600, whole % 3600 / 60);
  return absl::StrFormat("%d d %d h", whole / 86400, whole % 86400 / 3600);
}

std::string ShowTime(absl::Time time) {
  if (time == absl::InfinitePast() || time == absl::UnixEpoch()) return "unknown";
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

Json JsonTime(absl::Time time) {
  const std::string text = ShowTime(time);
  return text == "unknown" ? Json(nullptr) : Json(text);
}

std::string Dump(const Json& document, int indent) {
  return document.dump(indent, ' ', false, Json::error_handler_t::replace);
}

std::string FormatTable(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t i = 0; i < rows[r].size(); ++i) {
      const std::string padding(widths[i] - rows[r][i].size(), ' ');
      const bool right = rows.size() > 1 && LooksLikeNumber(rows[std::max<size_t>(r, 1)][i]);
      const bool last = i + 1 == rows[r].size();
      absl::StrAppend(&text, "  ", right ? padding : "", rows[r][i], right || last ? "" : padding);
    }
    text += "\n";
  }
  return text;
}

ProgressMeter::ProgressMeter(const Output& output, std::string what)
    : shown_(!output.quiet),
      terminal_(::isatty(STDERR_FILENO) != 0),
      what_(std::move(what)),
      began_(SteadyNow()),
      next_(began_ + (terminal_ ? kBarInterval : kLineInterval)) {}

ProgressMeter::~ProgressMeter() {
  if (!open_line_) return;
  Show();
  std::fputc('\n', stderr);
}

void ProgressMeter::Begin(std::string what) {
  if (open_line_) {
    Show();
    std::fputc('\n', stderr);
  }
  open_line_ = false;
  what_ = std::move(what);
  began_ = SteadyNow();
  done_ = total_ = 0;
  next_ = began_ + (terminal_ ? kBarInterval : kLineInterval);
}

void ProgressMeter::Update(int64_t done, int64_t total) {
  done_ = done;
  total_ = total;
  if (!shown_ || SteadyNow() < next_) return;
  next_ = SteadyNow() + (terminal_ ? kBarInterval : kLineInterval);
  Show();
}

void ProgressMeter::Show() {
  if (terminal_) {
    std::fprintf(stderr, "\r\033[K%s", Line(true).c_str());
    open_line_ = true;
  } else {
    std::fprintf(stderr, "%s\n", Line(false).c_str());
  }
  std::fflush(stderr);
}

std::string ProgressMeter::Line(bool bar) const {
  const double seconds = std::max(absl::ToDoubleSeconds(elapsed()), 0.001);
  const double rate = static_cast<double>(done_) / seconds;
  std::string line = what_;
  if (total_ > 0 && bar) {
    const auto filled = static_cast<size_t>(
        std::min<int64_t>(kBarWidth, kBarWidth * std::max<int64_t>(done_, 0) / total_));
    absl::StrAppend(&line, " [", std::string(filled, '#'), std::string(kBarWidth - filled, '.'),
                    "]");
  }
  if (total_ > 0) absl::StrAppend(&line, " ", 100 * done_ / total_, "%");
  absl::StrAppend(&line, " ", FormatBytes(done_));
  if (total_ > 0) absl::StrAppend(&line, " of ", FormatBytes(total_));
  absl::StrAppend(&line, ", ", FormatBytes(static_cast<int64_t>(rate)), "/s");
  if (total_ > done_ && rate > 0) {
    absl::StrAppend(&line, ", ",
                    ShowDuration(absl::Seconds(static_cast<double>(total_ - done_) / rate)),
                    " left");
  }
  return line;
}

std::string ProgressMeter::Summary() const {
  const double seconds = std::max(absl::ToDoubleSeconds(elapsed()), 0.001);
  return absl::StrCat(FormatBytes(done_), " in ", ShowDuration(elapsed()), ", ",
                      FormatBytes(static_cast<int64_t>(static_cast<double>(done_) / seconds)),
                      "/s");
}

}  // namespace mooring::cli
