#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace mooring::bench {

// The middle value; the mean of the two middle ones where their count is even. Zero for none.
double Median(std::vector<double> values);

// The median of `subject` to `base` in the same round: what else the machine did meanwhile slowed
// both. Rounds whose base is zero do not count.
double MedianRatio(const std::vector<double>& subject, const std::vector<double>& base);

// The sample below which `fraction` of them lie. Zero for none. Reorders `samples`.
double Percentile(std::vector<float>* samples, double fraction);

// `value` with as many decimals as a reader can use: 36,248 or 3.27.
std::string FormatNumber(double value);

// Rows of text as a Markdown table with aligned columns. The first row is the heading.
class TextTable {
 public:
  void AddRow(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::string ToString() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// A JSON object, written in the order its members are set.
class JsonObject {
 public:
  JsonObject& Set(std::string_view name, std::string_view value);
  JsonObject& Set(std::string_view name, double value);
  JsonObject& Set(std::string_view name, const JsonObject& object);
  JsonObject& Set(std::string_view name, const std::vector<double>& values);
  JsonObject& Set(std::string_view name, const std::vector<JsonObject>& objects);
  std::string ToString() const { return "{" + members_ + "}"; }

 private:
  JsonObject& SetRaw(std::string_view name, std::string_view json);

  std::string members_;
};

// Writes `report` to the file `path`; does nothing where `path` is empty.
[[nodiscard]] absl::Status WriteJson(const JsonObject& report, const std::string& path);

}  // namespace mooring::bench
