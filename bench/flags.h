#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace mooring::bench {

// The options of a command, `--name VALUE`. A variable that is added holds its own default.
class Flags {
 public:
  explicit Flags(std::string question) : question_(std::move(question)) {}

  void Add(std::string name, std::string help, std::string* value);
  void Add(std::string name, std::string help, int* value);                // At least 1.
  void Add(std::string name, std::string help, double* value);             // Above 0.
  void Add(std::string name, std::string help, std::vector<int>* values);  // Separated by commas.
  void Add(std::string name, std::string help, std::vector<std::string>* values);
  void Add(std::string name, std::string help, bool* value);  // Takes no value.

  // CANCELLED with the usage where `--help` was given.
  [[nodiscard]] absl::Status Parse(int argc, char** argv) const;

 private:
  struct Flag {
    std::string name;
    std::string help;
    bool takes_value;
    std::function<bool(std::string_view)> set;
  };

  std::string Usage(std::string_view program) const;

  const std::string question_;
  std::vector<Flag> flags_;
};

// What every benchmark asks for.
struct CommonSettings {
  explicit CommonSettings(int default_rounds) : rounds(default_rounds) {}
  void AddTo(Flags* flags);

  std::string volume;
  std::string json;
  int rounds;
  bool quick = false;
};

// Says what went wrong, or the usage that was asked for, and returns what main() returns.
int ExitCode(const absl::Status& status);

}  // namespace mooring::bench
