#include "bench/flags.h"
#include "bench/run.h"

int main(int argc, char** argv) {
  return mooring::bench::ExitCode(mooring::bench::Run(argc, argv));
}
