// rewind_child VOLUME URL EPOCH SEQUENCE STEP: rewinds the store and kills itself at the STEPth
// thing that it is told of on the way; each is a line of output. Then it goes on until it is
// killed.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "mooring/store.h"

#ifdef MOORING_CHILD_HAS_S3
#include "mooring/s3.h"
#endif

int main(int argc, char** argv) {
  if (argc != 6) return 2;
#ifdef MOORING_CHILD_HAS_S3
  mooring::EnableS3();
#endif
  absl::Mutex mutex;
  int step = 0;
  const int last = std::atoi(argv[5]);
  const auto tell = [&](const std::string& what) {
    absl::MutexLock lock(&mutex);
    std::printf("%s\n", what.c_str());
    std::fflush(stdout);
    if (++step == last) ::raise(SIGKILL);
  };
  mooring::Options options;
  options.volume = argv[1];
  options.allow_unsafe_volume = true;
  options.archive.url = argv[2];
  options.archive.takeover_wait = absl::Milliseconds(300);
  options.archive.ship_interval = absl::Milliseconds(20);
  options.log = [&](mooring::LogSeverity, std::string_view text) {
    tell(absl::StrCat("log ", std::string(text)));
  };
  options.progress = [&](const mooring::Progress& progress) {
    tell(absl::StrCat("phase ", std::string(mooring::PhaseName(progress.phase))));
  };
  const auto store = mooring::Store::Rewind(
      options, mooring::RewindTarget::To(mooring::Version{std::strtoull(argv[3], nullptr, 10),
                                                          std::strtoull(argv[4], nullptr, 10)}));
  if (!store.ok()) {
    std::printf("failed %s\n", store.status().ToString().c_str());
    return 1;
  }
  std::printf("open\n");
  std::fflush(stdout);
  ::pause();
}
