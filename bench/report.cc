#include "bench/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "src/base/status.h"

namespace mooring::bench {
namespace {

std::string Quote(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      quoted += absl::StrFormat("\\u%04x", static_cast<int>(c));
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

}  // namespace

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double MedianRatio(const std::vector<double>& subject, const std::vector<double>& base) {
  std::vector<double> ratios;
  for (size_t i = 0; i < std::min(subject.size(), base.size()); ++i) {
    if (base[i] != 0) ratios.push_back(subject[i] / base[i]);
  }
  return Median(ratios);
}

double Percentile(std::vector<float>* samples, double fraction) {
  if (samples->empty()) return 0;
  const size_t index = std::min(
      samples->size() - 1, static_cast<size_t>(fraction * static_cast<double>(samples->size())));
  std::nth_element(samples->begin(), samples->begin() + static_cast<ptrdiff_t>(index),
                   samples->end());
  return (*samples)[index];
}

std::string FormatNumber(double value) {
  if (value < 100) return absl::StrFormat("%.2f", value);
  std::string digits = absl::StrFormat("%.0f", value);
  for (size_t end = digits.size(); end > 3; end -= 3) digits.insert(end - 3, ",");
  return digits;
}

std::string TextTable::ToString() const {
  std::vector<size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (size_t row = 0; row < rows_.size(); ++row) {
    for (size_t i = 0; i < rows_[row].size(); ++i) {
      absl::StrAppend(&text, "| ",
                      absl::StrFormat("%*s", static_cast<int>(widths[i]), rows_[row][i]), " ");
    }
    text += "|\n";
    if (row > 0) continue;
    for (const size_t width : widths) absl::StrAppend(&text, "|", std::string(width + 1, '-'), ":");
    text += "|\n";
  }
  return text;
}

JsonObject& JsonObject::SetRaw(std::string_view name, std::string_view json) {
  if (!members_.empty()) members_ += ",";
  absl::StrAppend(&members_, Quote(name), ":", ToAbsl(json));
  return *this;
}

JsonObject& JsonObject::Set(std::string_view name, std::string_view value) {
  return SetRaw(name, Quote(value));
}

JsonObject& JsonObject::Set(std::string_view name, double value) {
  return SetRaw(name, std::isfinite(value) ? absl::StrFormat("%.10g", value) : "null");
}

JsonObject& JsonObject::Set(std::string_view name, const JsonObject& object) {
  return SetRaw(name, object.ToString());
}

JsonObject& JsonObject::Set(std::string_view name, const std::vector<double>& values) {
  std::string json;
  for (const double value : values) {
    absl::StrAppend(&json, json.empty() ? "" : ",", absl::StrFormat("%.10g", value));
  }
  return SetRaw(name, "[" + json + "]");
}

JsonObject& JsonObject::Set(std::string_view name, const std::vector<JsonObject>& objects) {
  std::string json;
  for (const JsonObject& object : objects) {
    absl::StrAppend(&json, json.empty() ? "\n" : ",\n", object.ToString());
  }
  return SetRaw(name, "[" + json + "\n]");
}

absl::Status WriteJson(const JsonObject& report, const std::string& path) {
  if (path.empty()) return absl::OkStatus();
  std::ofstream file(path);
  file << report.ToString() << "\n";
  file.close();
  if (file.fail()) return absl::UnavailableError(absl::StrCat("cannot write ", path));
  return absl::OkStatus();
}

}  // namespace mooring::bench
