#include "examples/catalog/options.h"

#include <getopt.h>

#include <charconv>
#include <cstring>

#include "absl/status/status.h"
#include "mooring/status_macros.h"

namespace catalog {
namespace {

absl::StatusOr<int> ParsePort(const std::string& text) {
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port < 0 || port > 65535) {
    return absl::InvalidArgumentError("--port " + text + " is not a number from 0 to 65535");
  }
  return port;
}

absl::StatusOr<absl::Duration> ParseTimeout(const char* name, const std::string& text) {
  absl::Duration timeout;
  if (!absl::ParseDuration(text, &timeout) || timeout < absl::ZeroDuration()) {
    return absl::InvalidArgumentError(std::string(name) + " " + text +
                                      " is not a time such as 1500ms, 30s or 2m");
  }
  return timeout;
}

absl::StatusOr<absl::Time> ParseMilliseconds(const std::string& text) {
  int64_t milliseconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), milliseconds);
  if (error == std::errc() && end == text.data() + text.size() && milliseconds > 0) {
    return absl::FromUnixMillis(milliseconds);
  }
  return absl::InvalidArgumentError("--rewind-to " + text + " is not a number of ms since 1970");
}

absl::StatusOr<mooring::Version> ParseVersion(const std::string& text) {
  mooring::Version version;
  const char* const stop = text.data() + text.size();
  const auto [dot, epoch_error] = std::from_chars(text.data(), stop, version.epoch);
  if (epoch_error == std::errc() && dot != stop && *dot == '.') {
    const auto [end, error] = std::from_chars(dot + 1, stop, version.sequence);
    if (error == std::errc() && end == stop) return version;
  }
  return absl::InvalidArgumentError("--copy-of " + text + " is not a version such as 3.1024");
}

}  // namespace

const char kUsage[] =
    "usage: catalog --volume DIRECTORY [options]\n"
    "  --volume DIRECTORY      where the state is: a mounted volume, or a directory on one\n"
    "  --host ADDRESS          to listen on; default 127.0.0.1\n"
    "  --port N                default 8080; 0: any that is free\n"
    "  --acquire-timeout TIME  how long to wait for the volume's previous owner; default 60s\n"
    "  --close-timeout TIME    how long closing may take after SIGTERM; default 10s\n"
    "  --ready-file FILE       written with the port once the state is served\n"
    "  --allow-unsafe-volume   accept a directory that does not outlive the pod\n"
    "  --archive URL           where the state is kept besides, so that it outlives the volume:\n"
    "                          file:///DIRECTORY or s3://BUCKET/PREFIX?endpoint=URL\n"
    "  --ship-interval TIME    how often the archive gets what nobody waits for; default 1s\n"
    "  --takeover-wait TIME    how long an archive whose owner did not close is watched before it\n"
    "                          is taken over; more than the ship interval; default 3s\n"
    "instead of serving, while nobody serves the volume:\n"
    "  --rewind-to MS          take the state back to so many ms after 1970\n"
    "  --copy-of VERSION       put the archive's state of that version, also one that a rewind "
    "left\n"
    "                          behind, into the empty volume, as a store of its own\n";

absl::StatusOr<ServiceOptions> ParseCommandLine(int argc, char** argv) {
  static const option kOptions[] = {
      {"volume", required_argument, nullptr, 'v'},
      {"host", required_argument, nullptr, 'H'},
      {"port", required_argument, nullptr, 'p'},
      {"acquire-timeout", required_argument, nullptr, 'a'},
      {"close-timeout", required_argument, nullptr, 'c'},
      {"ready-file", required_argument, nullptr, 'r'},
      {"allow-unsafe-volume", no_argument, nullptr, 'u'},
      {"archive", required_argument, nullptr, 'A'},
      {"ship-interval", required_argument, nullptr, 's'},
      {"takeover-wait", required_argument, nullptr, 't'},
      {"rewind-to", required_argument, nullptr, 'R'},
      {"copy-of", required_argument, nullptr, 'C'},
      {"help", no_argument, nullptr, 'h'},
      {nullptr, 0, nullptr, 0},
  };
  ServiceOptions options;
  opterr = 0;
  int choice;
  while ((choice = getopt_long(argc, argv, ":", kOptions, nullptr)) != -1) {
    switch (choice) {
      case 'v':
        options.volume = optarg;
        break;
      case 'H':
        options.host = optarg;
        break;
      case 'p': {
        MOORING_ASSIGN_OR_RETURN(options.port, ParsePort(optarg));
        break;
      }
      case 'a': {
        MOORING_ASSIGN_OR_RETURN(options.acquire_timeout,
                                 ParseTimeout("--acquire-timeout", optarg));
        break;
      }
      case 'c': {
        MOORING_ASSIGN_OR_RETURN(options.close_timeout, ParseTimeout("--close-timeout", optarg));
        break;
      }
      case 'r':
        options.ready_file = optarg;
        break;
      case 'u':
        options.allow_unsafe_volume = true;
        break;
      case 'A':
        options.archive = optarg;
        break;
      case 's': {
        MOORING_ASSIGN_OR_RETURN(options.ship_interval, ParseTimeout("--ship-interval", optarg));
        break;
      }
      case 't': {
        MOORING_ASSIGN_OR_RETURN(options.takeover_wait, ParseTimeout("--takeover-wait", optarg));
        break;
      }
      case 'R': {
        MOORING_ASSIGN_OR_RETURN(options.rewind_to, ParseMilliseconds(optarg));
        break;
      }
      case 'C': {
        MOORING_ASSIGN_OR_RETURN(options.copy_of, ParseVersion(optarg));
        break;
      }
      case 'h':
        options.help = true;
        return options;
      case ':':
        return absl::InvalidArgumentError(std::string(argv[optind - 1]) + " needs a value");
      default:
        return absl::InvalidArgumentError(std::string(argv[optind - 1]) + " is no option");
    }
  }
  if (optind < argc) {
    return absl::InvalidArgumentError(std::string(argv[optind]) + " is no option");
  }
  if (options.volume.empty()) return absl::InvalidArgumentError("--volume is missing");
  return options;
}

mooring::Options StoreOptions(const ServiceOptions& options) {
  mooring::Options store;
  store.volume = options.volume;
  store.allow_unsafe_volume = options.allow_unsafe_volume;
  store.acquire_timeout = options.acquire_timeout;
  store.archive.url = options.archive;
  store.archive.ship_interval = options.ship_interval;
  store.archive.takeover_wait = options.takeover_wait;
  return store;
}

}  // namespace catalog
