// The catalog's load client, and the oracle of examples/reschedule: it logs what the service has
// acknowledged in a process of its own, and later compares.
#include <getopt.h>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>

#include "examples/catalog/client/commands.h"

namespace {

constexpr char kUsage[] =
    "usage: client load   --port N --input FILE --acks FILE [--threads N] [--stop-after N]\n"
    "                     [--archive-every N] [--keep-going]\n"
    "       client verify --port N --input FILE --acks FILE [--threads N]\n"
    "                     [--volume-lost MS --lag MS] [--after N]\n"
    "                     [--rewound-to N --rewound-ms MS]\n"
    "       client absent --port N --input FILE --acks FILE [--threads N]\n"
    "       client count  --input FILE\n"
    "       client wait   --port N [--timeout TIME]\n"
    "       client get    --port N PATH\n"
    "       client delete --port N PATH\n"
    "  --input FILE    package records as `apt-cache dumpavail` prints them\n"
    "  --acks FILE     the log of acknowledgements; a load goes on after what is in it\n"
    "  --threads N     connections; default 16\n"
    "  --stop-after N  end the load when N records are acknowledged\n"
    "  --archive-every N  ask for archive durability for every Nth record\n"
    "  --keep-going    load the rest, too, after a refusal\n"
    "  --volume-lost MS  the volume was lost so many ms after 1970: what was acknowledged on the\n"
    "                  volume only, and not longer than the lag before, may be missing\n"
    "  --lag MS        how far the archive was behind at that time\n"
    "  --after N       only what was acknowledged with a sequence above N\n"
    "  --rewound-to N, --rewound-ms MS  the service was taken back to this sequence, the last one\n"
    "                  of that time: what was acknowledged later must not be there\n"
    "  --timeout TIME  how long to wait; default 60s\n"
    "exit: 0 done, 1 an acknowledged record is lost, 2 misused, 3 the service does not answer\n";

int Usage(const std::string& wrong) {
  std::fprintf(stderr, "client: %s\n%s", wrong.c_str(), kUsage);
  return catalog::kMisused;
}

template <typename Number>
bool Parse(const char* text, Number* number) {
  const char* const end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, *number);
  return error == std::errc() && stop == end && *number >= 1;
}

// Empty, or what is wrong with the command line.
std::string ParseOptions(int argc, char** argv, catalog::ClientOptions* options) {
  static const option kOptions[] = {
      {"host", required_argument, nullptr, 'H'},
      {"port", required_argument, nullptr, 'p'},
      {"input", required_argument, nullptr, 'i'},
      {"acks", required_argument, nullptr, 'a'},
      {"threads", required_argument, nullptr, 'n'},
      {"stop-after", required_argument, nullptr, 's'},
      {"timeout", required_argument, nullptr, 't'},
      {"archive-every", required_argument, nullptr, 'e'},
      {"keep-going", no_argument, nullptr, 'k'},
      {"volume-lost", required_argument, nullptr, 'v'},
      {"lag", required_argument, nullptr, 'l'},
      {"after", required_argument, nullptr, 'A'},
      {"rewound-to", required_argument, nullptr, 'r'},
      {"rewound-ms", required_argument, nullptr, 'm'},
      {nullptr, 0, nullptr, 0},
  };
  opterr = 0;
  int choice;
  while ((choice = getopt_long(argc, argv, "", kOptions, nullptr)) != -1) {
    bool fits = true;
    switch (choice) {
      case 'H':
        options->host = optarg;
        break;
      case 'p':
        fits = Parse(optarg, &options->port);
        break;
      case 'i':
        options->input = optarg;
        break;
      case 'a':
        options->acks = optarg;
        break;
      case 'n':
        fits = Parse(optarg, &options->threads);
        break;
      case 's':
        fits = Parse(optarg, &options->stop_after);
        break;
      case 't':
        fits = absl::ParseDuration(optarg, &options->timeout);
        break;
      case 'e':
        fits = Parse(optarg, &options->archive_every);
        break;
      case 'k':
        options->keep_going = true;
        break;
      case 'v':
        fits = Parse(optarg, &options->volume_lost_ms);
        break;
      case 'l':
        fits = Parse(optarg, &options->lag_ms);
        break;
      case 'A':
        fits = Parse(optarg, &options->after);
        break;
      case 'r':
        fits = Parse(optarg, &options->rewound_to);
        break;
      case 'm':
        fits = Parse(optarg, &options->rewound_ms);
        break;
      default:
        fits = false;
    }
    if (!fits) return std::string(argv[optind - 1]) + " does not fit";
  }
  return "";
}

}  // namespace

int main(int argc, char** argv) {
  catalog::ClientOptions options;
  if (const std::string wrong = ParseOptions(argc, argv, &options); !wrong.empty()) {
    return Usage(wrong);
  }
  const std::string command = optind < argc ? argv[optind] : "";
  const bool compares = command == "load" || command == "verify" || command == "absent";
  if ((compares || command == "count") && options.input.empty()) return Usage("--input is missing");
  if (compares && options.acks.empty()) return Usage("--acks is missing");
  if (command == "load") return catalog::Load(options);
  if (command == "verify") return catalog::Verify(options);
  if (command == "absent") return catalog::Absent(options);
  if (command == "count") return catalog::Count(options);
  if (command == "wait") return catalog::WaitReady(options);
  if (command == "get" && optind + 1 < argc) return catalog::Probe(options, argv[optind + 1]);
  if (command == "delete" && optind + 1 < argc) return catalog::Delete(options, argv[optind + 1]);
  return Usage("no such command: \"" + command + "\"");
}
