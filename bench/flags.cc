#include "bench/flags.h"

#include <getopt.h>

#include <cstdio>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "src/base/status.h"

namespace mooring::bench {

void Flags::Add(std::string name, std::string help, std::string* value) {
  flags_.push_back({std::move(name), std::move(help), true, [value](std::string_view text) {
                      *value = text;
                      return true;
                    }});
}

void Flags::Add(std::string name, std::string help, int* value) {
  flags_.push_back({std::move(name), std::move(help), true, [value](std::string_view text) {
                      return absl::SimpleAtoi(ToAbsl(text), value) && *value >= 1;
                    }});
}

void Flags::Add(std::string name, std::string help, double* value) {
  flags_.push_back({std::move(name), std::move(help), true, [value](std::string_view text) {
                      return absl::SimpleAtod(ToAbsl(text), value) && *value > 0;
                    }});
}

void Flags::Add(std::string name, std::string help, std::vector<int>* values) {
  flags_.push_back({std::move(name), std::move(help), true, [values](std::string_view text) {
                      values->clear();
                      for (const absl::string_view part : absl::StrSplit(ToAbsl(text), ',')) {
                        values->push_back(0);
                        if (!absl::SimpleAtoi(part, &values->back()) || values->back() < 1) {
                          return false;
                        }
                      }
                      return true;
                    }});
}

void Flags::Add(std::string name, std::string help, std::vector<std::string>* values) {
  flags_.push_back({std::move(name), std::move(help), true, [values](std::string_view text) {
                      *values = absl::StrSplit(ToAbsl(text), ',', absl::SkipEmpty());
                      return true;
                    }});
}

void Flags::Add(std::string name, std::string help, bool* value) {
  flags_.push_back({std::move(name), std::move(help), false, [value](std::string_view) {
                      *value = true;
                      return true;
                    }});
}

absl::Status Flags::Parse(int argc, char** argv) const {
  std::vector<option> options;
  for (const Flag& flag : flags_) {
    options.push_back(
        {flag.name.c_str(), flag.takes_value ? required_argument : no_argument, nullptr, 0});
  }
  options.push_back({"help", no_argument, nullptr, 0});
  options.push_back({nullptr, 0, nullptr, 0});
  opterr = 0;
  int index = 0;
  int result;
  while ((result = getopt_long(argc, argv, "", options.data(), &index)) == 0) {
    if (static_cast<size_t>(index) == flags_.size())
      return absl::CancelledError(ToAbsl(Usage(argv[0])));
    const Flag& flag = flags_[static_cast<size_t>(index)];
    const std::string_view text = optarg == nullptr ? "" : optarg;
    if (!flag.set(text)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", flag.name, " cannot be \"", ToAbsl(text), "\": ", flag.help));
    }
  }
  if (result != -1 || optind != argc) {
    const char* culprit = result != -1 ? argv[optind - 1] : argv[optind];
    return absl::InvalidArgumentError(
        absl::StrCat("cannot read \"", culprit, "\"\n", Usage(argv[0])));
  }
  return absl::OkStatus();
}

std::string Flags::Usage(std::string_view program) const {
  std::string usage = absl::StrCat(question_, "\n\nusage: ", ToAbsl(program), " [options]\n");
  for (const Flag& flag : flags_) {
    absl::StrAppendFormat(&usage, "  --%-12s %s\n", flag.name, flag.help);
  }
  return usage;
}

void CommonSettings::AddTo(Flags* flags) {
  flags->Add("volume", "the directory to measure on; required", &volume);
  flags->Add("json", "also write the results to this file", &json);
  flags->Add("rounds", absl::StrCat("rounds over everything (", rounds, ")"), &rounds);
  flags->Add("quick", "a second or two in all, to see that it runs", &quick);
}

int ExitCode(const absl::Status& status) {
  if (status.ok()) return 0;
  const std::string text(ToStd(status.message()));
  if (absl::IsCancelled(status)) {
    printf("%s", text.c_str());
    return 0;
  }
  fprintf(stderr, "%s\n", text.c_str());
  return 1;
}

}  // namespace mooring::bench
